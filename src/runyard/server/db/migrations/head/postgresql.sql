CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE lease (
	name TEXT NOT NULL,
	holder TEXT NOT NULL,
	expires_ms BIGINT NOT NULL,
	CONSTRAINT pk_lease PRIMARY KEY (name)
);

CREATE TABLE metric_batch (
	id BIGSERIAL NOT NULL,
	scope BIGINT NOT NULL,
	n INTEGER NOT NULL,
	data BYTEA NOT NULL,
	CONSTRAINT pk_metric_batch PRIMARY KEY (id)
);

ALTER TABLE metric_batch ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE INDEX ix_metric_batch_scope_n ON metric_batch (scope, n);

CREATE TABLE metric_pack (
	scope BIGINT NOT NULL,
	version INTEGER NOT NULL,
	n INTEGER NOT NULL,
	data BYTEA NOT NULL,
	CONSTRAINT pk_metric_pack PRIMARY KEY (scope)
);

ALTER TABLE metric_pack ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE metric_chunk (
	id BIGSERIAL NOT NULL,
	series BIGINT NOT NULL,
	n INTEGER NOT NULL,
	first_timestamp BIGINT NOT NULL,
	first_step BIGINT NOT NULL,
	first_rank BIGINT NOT NULL,
	last_timestamp BIGINT NOT NULL,
	last_step BIGINT NOT NULL,
	last_rank BIGINT NOT NULL,
	min_step BIGINT NOT NULL,
	max_step BIGINT NOT NULL,
	sketch BYTEA NOT NULL,
	points BYTEA NOT NULL,
	CONSTRAINT pk_metric_chunk PRIMARY KEY (id)
);

ALTER TABLE metric_chunk ALTER COLUMN sketch SET STORAGE EXTERNAL;

ALTER TABLE metric_chunk ALTER COLUMN points SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX ix_metric_chunk_series_first_timestamp_first_step_first_rank ON metric_chunk (series, first_timestamp, first_step, first_rank);

CREATE TABLE experiment (
	id BIGSERIAL NOT NULL,
	workspace_id BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	artifact_location TEXT COLLATE "C" NOT NULL,
	lifecycle SMALLINT NOT NULL,
	creation_time BIGINT NOT NULL,
	last_update_time BIGINT NOT NULL,
	CONSTRAINT pk_experiment PRIMARY KEY (id),
	CONSTRAINT uq_experiment_workspace_id_name UNIQUE (workspace_id, name)
);

CREATE INDEX ix_experiment_listing ON experiment (workspace_id, lifecycle, creation_time, id);

CREATE TABLE experiment_tag (
	experiment_id BIGINT NOT NULL,
	key TEXT COLLATE "C" NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_experiment_tag PRIMARY KEY (experiment_id, key)
);

CREATE TABLE key (
	id BIGSERIAL NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_key PRIMARY KEY (id),
	CONSTRAINT uq_key_name UNIQUE (name)
);

CREATE TABLE run (
	id BIGSERIAL NOT NULL,
	uuid TEXT COLLATE "C" NOT NULL,
	experiment_id BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	user_id TEXT COLLATE "C" NOT NULL,
	status SMALLINT NOT NULL,
	start_time BIGINT NOT NULL,
	end_time BIGINT,
	lifecycle SMALLINT NOT NULL,
	deleted_time BIGINT,
	artifact_uri TEXT COLLATE "C",
	CONSTRAINT pk_run PRIMARY KEY (id),
	CONSTRAINT uq_run_uuid UNIQUE (uuid)
);

CREATE INDEX ix_run_listing ON run (experiment_id, lifecycle, start_time, id, status, end_time, user_id);

CREATE INDEX ix_run_name ON run (experiment_id, name, id);

CREATE TABLE run_param (
	run_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_run_param PRIMARY KEY (run_id, key_id)
);

CREATE INDEX ix_run_param_value ON run_param (experiment_id, key_id, substr(value, 1, 200), run_id);

CREATE TABLE run_tag (
	run_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_run_tag PRIMARY KEY (run_id, key_id)
);

CREATE INDEX ix_run_tag_value ON run_tag (experiment_id, key_id, substr(value, 1, 200), run_id);

CREATE TABLE run_metric (
	run_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	last_nan SMALLINT NOT NULL,
	last_value DOUBLE PRECISION NOT NULL,
	last_step BIGINT NOT NULL,
	last_time BIGINT NOT NULL,
	first_nan SMALLINT NOT NULL,
	first_value DOUBLE PRECISION NOT NULL,
	first_step BIGINT NOT NULL,
	first_time BIGINT NOT NULL,
	min_value DOUBLE PRECISION,
	min_step BIGINT,
	max_value DOUBLE PRECISION,
	max_step BIGINT,
	count BIGINT NOT NULL,
	nan_count BIGINT NOT NULL,
	sum DOUBLE PRECISION,
	stale SMALLINT NOT NULL,
	CONSTRAINT pk_run_metric PRIMARY KEY (run_id, key_id)
);

CREATE INDEX ix_run_metric_value ON run_metric (experiment_id, key_id, last_nan, last_value, run_id, max_value, min_value, first_nan, first_value, count, nan_count, sum);

CREATE TABLE dataset (
	id BIGSERIAL NOT NULL,
	experiment_id BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	digest TEXT COLLATE "C" NOT NULL,
	source_type TEXT COLLATE "C" NOT NULL,
	source TEXT COLLATE "C" NOT NULL,
	schema TEXT COLLATE "C",
	profile TEXT COLLATE "C",
	CONSTRAINT pk_dataset PRIMARY KEY (id),
	CONSTRAINT uq_dataset_experiment_id_name_digest UNIQUE (experiment_id, name, digest)
);

CREATE TABLE run_dataset (
	run_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	context TEXT COLLATE "C" NOT NULL,
	tags TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_run_dataset PRIMARY KEY (run_id, dataset_id, context)
);

CREATE INDEX ix_run_dataset_dataset_id ON run_dataset (dataset_id, context, run_id);

CREATE TABLE logged_model (
	id BIGSERIAL NOT NULL,
	uuid TEXT COLLATE "C" NOT NULL,
	experiment_id BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	artifact_location TEXT COLLATE "C" NOT NULL,
	creation_time BIGINT NOT NULL,
	last_update_time BIGINT NOT NULL,
	status SMALLINT NOT NULL,
	model_type TEXT COLLATE "C" NOT NULL,
	source_run TEXT COLLATE "C" NOT NULL,
	lifecycle SMALLINT NOT NULL,
	deleted_time BIGINT,
	CONSTRAINT pk_logged_model PRIMARY KEY (id),
	CONSTRAINT uq_logged_model_uuid UNIQUE (uuid)
);

CREATE INDEX ix_logged_model_listing ON logged_model (experiment_id, lifecycle, creation_time, id);

CREATE INDEX ix_logged_model_name ON logged_model (experiment_id, name, id);

CREATE INDEX ix_logged_model_source_run ON logged_model (source_run);

CREATE TABLE logged_model_param (
	model_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_logged_model_param PRIMARY KEY (model_id, key_id)
);

CREATE INDEX ix_logged_model_param_value ON logged_model_param (experiment_id, key_id, substr(value, 1, 200), model_id);

CREATE TABLE logged_model_tag (
	model_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_logged_model_tag PRIMARY KEY (model_id, key_id)
);

CREATE INDEX ix_logged_model_tag_value ON logged_model_tag (experiment_id, key_id, substr(value, 1, 200), model_id);

CREATE TABLE logged_model_metric (
	model_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	timestamp BIGINT NOT NULL,
	step BIGINT NOT NULL,
	run_id BIGINT NOT NULL,
	dataset_name TEXT COLLATE "C" NOT NULL,
	dataset_digest TEXT COLLATE "C" NOT NULL,
	experiment_id BIGINT NOT NULL,
	is_nan SMALLINT NOT NULL,
	value DOUBLE PRECISION NOT NULL,
	CONSTRAINT pk_logged_model_metric PRIMARY KEY (model_id, key_id, timestamp, step, run_id, dataset_name, dataset_digest)
);

CREATE INDEX ix_logged_model_metric_value ON logged_model_metric (experiment_id, key_id, is_nan, value, model_id);

CREATE TABLE run_model (
	run_id BIGINT NOT NULL,
	model_uuid TEXT COLLATE "C" NOT NULL,
	direction SMALLINT NOT NULL,
	step BIGINT NOT NULL,
	CONSTRAINT pk_run_model PRIMARY KEY (run_id, model_uuid, direction, step)
);

CREATE INDEX ix_run_model_model ON run_model (model_uuid, run_id);

INSERT INTO alembic_version (version_num) VALUES ('0001');

CREATE TABLE workspace (
	id BIGSERIAL NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	state SMALLINT NOT NULL,
	creation_time BIGINT NOT NULL,
	last_update_time BIGINT NOT NULL,
	deleted_time BIGINT,
	default_experiment_id BIGINT NOT NULL,
	CONSTRAINT pk_workspace PRIMARY KEY (id),
	CONSTRAINT uq_workspace_name UNIQUE (name)
);

CREATE TABLE workspace_tag (
	workspace_id BIGINT NOT NULL,
	key TEXT COLLATE "C" NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_workspace_tag PRIMARY KEY (workspace_id, key)
);

CREATE TABLE principal (
	id BIGSERIAL NOT NULL,
	kind SMALLINT NOT NULL,
	external_id TEXT COLLATE "C",
	name TEXT COLLATE "C" NOT NULL,
	display_name TEXT COLLATE "C" NOT NULL,
	email TEXT COLLATE "C" NOT NULL,
	password_hash TEXT COLLATE "C",
	is_admin SMALLINT NOT NULL,
	is_disabled SMALLINT NOT NULL,
	creation_time BIGINT NOT NULL,
	CONSTRAINT pk_principal PRIMARY KEY (id),
	CONSTRAINT uq_principal_external_id UNIQUE (external_id),
	CONSTRAINT uq_principal_name UNIQUE (name)
);

CREATE TABLE group_member (
	group_id BIGINT NOT NULL,
	principal_id BIGINT NOT NULL,
	CONSTRAINT pk_group_member PRIMARY KEY (group_id, principal_id)
);

CREATE INDEX ix_group_member_principal_id ON group_member (principal_id);

CREATE TABLE role (
	name TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	actions TEXT COLLATE "C" NOT NULL,
	not_actions TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_role PRIMARY KEY (name)
);

CREATE TABLE role_assignment (
	workspace_id BIGINT NOT NULL,
	principal_id BIGINT NOT NULL,
	role TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_role_assignment PRIMARY KEY (workspace_id, principal_id, role)
);

CREATE INDEX ix_role_assignment_principal_id ON role_assignment (principal_id);

CREATE TABLE folder_rule (
	workspace_id BIGINT NOT NULL,
	principal_id BIGINT NOT NULL,
	path TEXT COLLATE "C" NOT NULL,
	level SMALLINT NOT NULL,
	CONSTRAINT pk_folder_rule PRIMARY KEY (workspace_id, principal_id, path)
);

CREATE INDEX ix_folder_rule_workspace_id_path ON folder_rule (workspace_id, path);

CREATE TABLE experiment_rule (
	workspace_id BIGINT NOT NULL,
	principal_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	level SMALLINT NOT NULL,
	CONSTRAINT pk_experiment_rule PRIMARY KEY (workspace_id, principal_id, experiment_id)
);

CREATE INDEX ix_experiment_rule_experiment_id ON experiment_rule (experiment_id);

CREATE TABLE token (
	id BIGSERIAL NOT NULL,
	hash BYTEA NOT NULL,
	kind SMALLINT NOT NULL,
	principal_id BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	workspace_id BIGINT,
	run_uuid TEXT COLLATE "C",
	experiment_id BIGINT,
	creation_time BIGINT NOT NULL,
	expiry_time BIGINT NOT NULL,
	last_used_time BIGINT,
	CONSTRAINT pk_token PRIMARY KEY (id),
	CONSTRAINT uq_token_hash UNIQUE (hash)
);

ALTER TABLE token ALTER COLUMN hash SET STORAGE EXTERNAL;

CREATE INDEX ix_token_expiry_time ON token (expiry_time);

CREATE INDEX ix_token_principal_id ON token (principal_id, id);

CREATE INDEX ix_token_run_uuid ON token (run_uuid);

CREATE TABLE event (
	id BIGSERIAL NOT NULL,
	time BIGINT NOT NULL,
	workspace_id BIGINT NOT NULL,
	actor_id BIGINT NOT NULL,
	actor TEXT COLLATE "C" NOT NULL,
	credential TEXT COLLATE "C" NOT NULL,
	address TEXT COLLATE "C" NOT NULL,
	action TEXT COLLATE "C" NOT NULL,
	target_type TEXT COLLATE "C" NOT NULL,
	target TEXT COLLATE "C" NOT NULL,
	detail TEXT COLLATE "C" NOT NULL,
	sequence BIGINT,
	hash BYTEA,
	CONSTRAINT pk_event PRIMARY KEY (id),
	CONSTRAINT uq_event_sequence UNIQUE (sequence)
);

ALTER TABLE event ALTER COLUMN hash SET STORAGE EXTERNAL;

CREATE INDEX ix_event_workspace_id_id ON event (workspace_id, id);

UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';

ALTER TABLE workspace ADD COLUMN quotas TEXT COLLATE "C";

ALTER SEQUENCE workspace_id_seq RESTART WITH 2;

CREATE TABLE usage (
	scope SMALLINT NOT NULL,
	id BIGINT NOT NULL,
	points BIGINT NOT NULL,
	runs BIGINT NOT NULL,
	size BIGINT NOT NULL,
	files BIGINT NOT NULL,
	CONSTRAINT pk_usage PRIMARY KEY (scope, id)
);

CREATE TABLE run_points (
	run_id BIGINT NOT NULL,
	points BIGINT NOT NULL,
	CONSTRAINT pk_run_points PRIMARY KEY (run_id)
);

INSERT INTO run_points (run_id, points) SELECT run_id, sum(count) FROM run_metric GROUP BY run_id;

INSERT INTO usage (scope, id, points, runs, size, files) SELECT 1, r.experiment_id, coalesce(sum(p.points), 0), count(*), 0, 0 FROM run r LEFT JOIN run_points p ON p.run_id = r.id GROUP BY r.experiment_id;

INSERT INTO usage (scope, id, points, runs, size, files) SELECT 0, e.workspace_id, sum(u.points), sum(u.runs), 0, 0 FROM usage u JOIN experiment e ON e.id = u.id WHERE u.scope = 1 GROUP BY e.workspace_id;

UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';

DROP INDEX ix_event_workspace_id_id;

CREATE INDEX ix_event_actor_time_id ON event (actor, time, id);

CREATE INDEX ix_event_target_time_id ON event (target, time, id);

CREATE INDEX ix_event_time_id ON event (time, id);

CREATE INDEX ix_event_workspace_id_time_id ON event (workspace_id, time, id);

CREATE FUNCTION event_protected() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0]; END $$;

CREATE TRIGGER event_unchanged BEFORE UPDATE ON event FOR EACH ROW WHEN (OLD.sequence IS NOT NULL OR (OLD.id, OLD.time, OLD.workspace_id, OLD.actor_id, OLD.actor, OLD.credential, OLD.address, OLD.action, OLD.target_type, OLD.target, OLD.detail) IS DISTINCT FROM (NEW.id, NEW.time, NEW.workspace_id, NEW.actor_id, NEW.actor, NEW.credential, NEW.address, NEW.action, NEW.target_type, NEW.target, NEW.detail)) EXECUTE FUNCTION event_protected('a sealed event of the activity log is never changed');

CREATE TRIGGER event_undeleted BEFORE DELETE ON event FOR EACH ROW EXECUTE FUNCTION event_protected('an event of the activity log is never deleted');

CREATE TRIGGER event_untruncated BEFORE TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION event_protected('an event of the activity log is never deleted');

UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';

UPDATE run SET lifecycle = 0, deleted_time = NULL
        WHERE lifecycle = 1 AND EXISTS (
            SELECT 1 FROM experiment
            WHERE experiment.id = run.experiment_id AND experiment.lifecycle = 1
              AND (run.deleted_time >= experiment.last_update_time OR run.deleted_time IS NULL)
        );

CREATE INDEX ix_run_trash ON run (experiment_id, lifecycle, deleted_time, id) WHERE deleted_time IS NOT NULL;

CREATE INDEX ix_logged_model_trash ON logged_model (experiment_id, lifecycle, deleted_time, id) WHERE deleted_time IS NOT NULL;

UPDATE alembic_version SET version_num='0005' WHERE alembic_version.version_num = '0004';

CREATE TABLE deleted_identity (
	id BIGSERIAL NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	deleted_time BIGINT NOT NULL,
	body TEXT COLLATE "C" NOT NULL,
	CONSTRAINT pk_deleted_identity PRIMARY KEY (id)
);

CREATE INDEX ix_deleted_identity_kind_deleted_time_id ON deleted_identity (kind, deleted_time, id);

CREATE TABLE deleted_group_member (
	group_id BIGINT NOT NULL,
	principal_id BIGINT NOT NULL,
	CONSTRAINT pk_deleted_group_member PRIMARY KEY (group_id, principal_id)
);

CREATE INDEX ix_deleted_group_member_principal_id ON deleted_group_member (principal_id);

CREATE TABLE deleted_role_assignment (
	principal_id BIGINT NOT NULL,
	workspace_id BIGINT NOT NULL,
	role TEXT COLLATE "C" NOT NULL,
	role_id BIGINT NOT NULL,
	CONSTRAINT pk_deleted_role_assignment PRIMARY KEY (principal_id, workspace_id, role, role_id)
);

CREATE INDEX ix_deleted_role_assignment_role_id_role ON deleted_role_assignment (role_id, role);

CREATE TABLE deleted_folder_rule (
	principal_id BIGINT NOT NULL,
	workspace_id BIGINT NOT NULL,
	path TEXT COLLATE "C" NOT NULL,
	level SMALLINT NOT NULL,
	CONSTRAINT pk_deleted_folder_rule PRIMARY KEY (principal_id, workspace_id, path)
);

CREATE TABLE deleted_experiment_rule (
	principal_id BIGINT NOT NULL,
	workspace_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	level SMALLINT NOT NULL,
	CONSTRAINT pk_deleted_experiment_rule PRIMARY KEY (principal_id, workspace_id, experiment_id)
);

CREATE INDEX ix_deleted_experiment_rule_experiment_id ON deleted_experiment_rule (experiment_id);

UPDATE alembic_version SET version_num='0006' WHERE alembic_version.version_num = '0005';

CREATE TABLE login_code (
	hash BYTEA NOT NULL,
	challenge BYTEA NOT NULL,
	principal_id BIGINT NOT NULL,
	session_id BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	days SMALLINT NOT NULL,
	address TEXT COLLATE "C" NOT NULL,
	expiry_time BIGINT NOT NULL,
	CONSTRAINT pk_login_code PRIMARY KEY (hash)
);

CREATE INDEX ix_login_code_expiry_time ON login_code (expiry_time);

ALTER TABLE login_code ALTER COLUMN hash SET STORAGE EXTERNAL;

ALTER TABLE login_code ALTER COLUMN challenge SET STORAGE EXTERNAL;

UPDATE alembic_version SET version_num='0007' WHERE alembic_version.version_num = '0006';

ALTER TABLE experiment DROP CONSTRAINT uq_experiment_workspace_id_name;

CREATE UNIQUE INDEX ix_experiment_active_name ON experiment (workspace_id, name) WHERE lifecycle = 0;

CREATE INDEX ix_experiment_workspace_id_name ON experiment (workspace_id, name, lifecycle);

UPDATE alembic_version SET version_num='0008' WHERE alembic_version.version_num = '0007';

ALTER TABLE workspace ADD COLUMN restored_state SMALLINT;

UPDATE alembic_version SET version_num='0009' WHERE alembic_version.version_num = '0008';

CREATE TABLE deleted_artifact (
	id BIGSERIAL NOT NULL,
	uuid TEXT COLLATE "C" NOT NULL,
	workspace_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	run_id BIGINT,
	model_id BIGINT,
	path TEXT COLLATE "C" NOT NULL,
	is_dir SMALLINT NOT NULL,
	files BIGINT NOT NULL,
	size BIGINT NOT NULL,
	state SMALLINT NOT NULL,
	since BIGINT NOT NULL,
	deleted_time BIGINT NOT NULL,
	CONSTRAINT pk_deleted_artifact PRIMARY KEY (id),
	CONSTRAINT uq_deleted_artifact_uuid UNIQUE (uuid)
);

CREATE INDEX ix_deleted_artifact_listing ON deleted_artifact (workspace_id, state, deleted_time, id);

CREATE INDEX ix_deleted_artifact_model ON deleted_artifact (model_id);

CREATE INDEX ix_deleted_artifact_run ON deleted_artifact (run_id);

CREATE INDEX ix_deleted_artifact_state ON deleted_artifact (state, deleted_time, id);

UPDATE alembic_version SET version_num='0010' WHERE alembic_version.version_num = '0009';

ALTER TABLE token ADD COLUMN upload TEXT COLLATE "C";

ALTER TABLE token ADD COLUMN maker_id BIGINT;

CREATE INDEX ix_token_upload ON token (upload) WHERE upload IS NOT NULL;

CREATE INDEX ix_token_maker_id ON token (maker_id) WHERE maker_id IS NOT NULL;

UPDATE alembic_version SET version_num='0011' WHERE alembic_version.version_num = '0010'
