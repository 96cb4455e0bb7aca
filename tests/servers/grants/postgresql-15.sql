-- The login with which Watchward watches PostgreSQL 15: it reads statistics, and nobody's data.
-- For psql as a superuser. At its end \password asks twice for the password, and sends only its SCRAM hash.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE watchward LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'watchward') \gexec
GRANT pg_monitor TO watchward;
GRANT CONNECT ON DATABASE postgres TO watchward;
-- And for each further database that does not let everybody in: tables are read in all of them.
-- Statistics of statements, where shared_preload_libraries names pg_stat_statements:
--   CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
-- For the optional rows bloat and sequences, which read what tables and sequences hold:
--   GRANT pg_read_all_data TO watchward;
SET password_encryption = 'scram-sha-256';
\password watchward
