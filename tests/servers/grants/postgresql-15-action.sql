-- The login with which Watchward changes settings of PostgreSQL 15, and nothing else.
-- For psql as a superuser, in the database that the target's url names. At its end \password asks twice for
-- the password, and sends only its SCRAM hash.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE watchward_act LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'watchward_act') \gexec
ALTER ROLE watchward_act CONNECTION LIMIT 5;
GRANT CONNECT ON DATABASE postgres TO watchward_act;
GRANT pg_read_all_settings TO watchward_act;
GRANT SELECT ON pg_file_settings TO watchward_act;
GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO watchward_act;
GRANT EXECUTE ON FUNCTION pg_reload_conf() TO watchward_act;
-- One such line for each setting that a policy names:
GRANT ALTER SYSTEM ON PARAMETER work_mem TO watchward_act;
SET password_encryption = 'scram-sha-256';
\password watchward_act
