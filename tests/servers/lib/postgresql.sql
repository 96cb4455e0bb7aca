-- What the primary holds before the standby copies it, beside the role that watches (grants/): extensions, a small shop.
-- Passwords come from the environment (\getenv) and must not reach pg_stat_statements, which monitors may read.
\getenv replicator_password REPLICATOR_PASSWORD
SET pg_stat_statements.track_utility = off;
SET log_min_duration_statement = -1;
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replicator_password';
RESET pg_stat_statements.track_utility;

CREATE DATABASE orders;
-- PUBLIC's default also allows temporary tables; watchward shall have CONNECT and nothing more.
REVOKE ALL ON DATABASE postgres, orders FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres, orders TO watchward;
-- Beside what its own script grants: what policies of the tests name.
GRANT CONNECT ON DATABASE postgres TO watchward_act;
GRANT ALTER SYSTEM ON PARAMETER maintenance_work_mem, autovacuum_vacuum_cost_limit, statement_timeout TO watchward_act;
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION hypopg;
CREATE EXTENSION pgaudit;

\connect orders
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION hypopg;
CREATE EXTENSION pgaudit;
CREATE TABLE customer (id bigint PRIMARY KEY, email text NOT NULL, city text NOT NULL);
CREATE TABLE purchase (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customer, amount numeric NOT NULL,
                       placed_at timestamptz NOT NULL);
INSERT INTO customer SELECT n, 'c' || n || '@example.org', 'city ' || n % 50 FROM generate_series(1, 2000) n;
INSERT INTO purchase SELECT n, 1 + n % 2000, n % 997, now() - n * interval '1 minute' FROM generate_series(1, 20000) n;
CREATE INDEX purchase_placed_at ON purchase (placed_at);
ANALYZE;
