CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE lease (
	name TEXT NOT NULL,
	holder TEXT NOT NULL,
	expires_ms BIGINT NOT NULL,
	CONSTRAINT pk_lease PRIMARY KEY (name)
)
 WITHOUT ROWID;

CREATE TABLE metric_batch (
	id INTEGER NOT NULL,
	scope BIGINT NOT NULL,
	n INTEGER NOT NULL,
	data BLOB NOT NULL,
	CONSTRAINT pk_metric_batch PRIMARY KEY (id)
);

CREATE INDEX ix_metric_batch_scope_n ON metric_batch (scope, n);

CREATE TABLE metric_pack (
	scope INTEGER NOT NULL,
	version INTEGER NOT NULL,
	n INTEGER NOT NULL,
	data BLOB NOT NULL,
	CONSTRAINT pk_metric_pack PRIMARY KEY (scope)
);

CREATE TABLE metric_chunk (
	id INTEGER NOT NULL,
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
	sketch BLOB NOT NULL,
	points BLOB NOT NULL,
	CONSTRAINT pk_metric_chunk PRIMARY KEY (id)
);

CREATE UNIQUE INDEX ix_metric_chunk_series_first_timestamp_first_step_first_rank ON metric_chunk (series, first_timestamp, first_step, first_rank);

CREATE TABLE experiment (
	id INTEGER NOT NULL,
	workspace_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	artifact_location TEXT NOT NULL,
	lifecycle SMALLINT NOT NULL,
	creation_time BIGINT NOT NULL,
	last_update_time BIGINT NOT NULL,
	CONSTRAINT pk_experiment PRIMARY KEY (id),
	CONSTRAINT uq_experiment_workspace_id_name UNIQUE (workspace_id, name)
);

CREATE INDEX ix_experiment_listing ON experiment (workspace_id, lifecycle, creation_time, id);

CREATE TABLE experiment_tag (
	experiment_id BIGINT NOT NULL,
	"key" TEXT NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_experiment_tag PRIMARY KEY (experiment_id, "key")
)
 WITHOUT ROWID;

CREATE TABLE "key" (
	id INTEGER NOT NULL,
	name TEXT NOT NULL,
	CONSTRAINT pk_key PRIMARY KEY (id),
	CONSTRAINT uq_key_name UNIQUE (name)
);

CREATE TABLE run (
	id INTEGER NOT NULL,
	uuid TEXT NOT NULL,
	experiment_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	user_id TEXT NOT NULL,
	status SMALLINT NOT NULL,
	start_time BIGINT NOT NULL,
	end_time BIGINT,
	lifecycle SMALLINT NOT NULL,
	deleted_time BIGINT,
	artifact_uri TEXT,
	CONSTRAINT pk_run PRIMARY KEY (id),
	CONSTRAINT uq_run_uuid UNIQUE (uuid)
);

CREATE INDEX ix_run_listing ON run (experiment_id, lifecycle, start_time, id, status, end_time, user_id);

CREATE INDEX ix_run_name ON run (experiment_id, name, id);

CREATE TABLE run_param (
	run_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_run_param PRIMARY KEY (run_id, key_id)
)
 WITHOUT ROWID;

CREATE INDEX ix_run_param_value ON run_param (experiment_id, key_id, value, run_id);

CREATE TABLE run_tag (
	run_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_run_tag PRIMARY KEY (run_id, key_id)
)
 WITHOUT ROWID;

CREATE INDEX ix_run_tag_value ON run_tag (experiment_id, key_id, value, run_id);

CREATE TABLE run_metric (
	run_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	last_nan SMALLINT NOT NULL,
	last_value DOUBLE NOT NULL,
	last_step BIGINT NOT NULL,
	last_time BIGINT NOT NULL,
	first_nan SMALLINT NOT NULL,
	first_value DOUBLE NOT NULL,
	first_step BIGINT NOT NULL,
	first_time BIGINT NOT NULL,
	min_value DOUBLE,
	min_step BIGINT,
	max_value DOUBLE,
	max_step BIGINT,
	count BIGINT NOT NULL,
	nan_count BIGINT NOT NULL,
	sum DOUBLE,
	stale SMALLINT NOT NULL,
	CONSTRAINT pk_run_metric PRIMARY KEY (run_id, key_id)
)
 WITHOUT ROWID;

CREATE INDEX ix_run_metric_value ON run_metric (experiment_id, key_id, last_nan, last_value, run_id, max_value, min_value, first_nan, first_value, count, nan_count, sum);

CREATE TABLE dataset (
	id INTEGER NOT NULL,
	experiment_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	digest TEXT NOT NULL,
	source_type TEXT NOT NULL,
	source TEXT NOT NULL,
	schema TEXT,
	profile TEXT,
	CONSTRAINT pk_dataset PRIMARY KEY (id),
	CONSTRAINT uq_dataset_experiment_id_name_digest UNIQUE (experiment_id, name, digest)
);

CREATE TABLE run_dataset (
	run_id BIGINT NOT NULL,
	dataset_id BIGINT NOT NULL,
	context TEXT NOT NULL,
	tags TEXT NOT NULL,
	CONSTRAINT pk_run_dataset PRIMARY KEY (run_id, dataset_id, context)
)
 WITHOUT ROWID;

CREATE INDEX ix_run_dataset_dataset_id ON run_dataset (dataset_id, context, run_id);

CREATE TABLE logged_model (
	id INTEGER NOT NULL,
	uuid TEXT NOT NULL,
	experiment_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	artifact_location TEXT NOT NULL,
	creation_time BIGINT NOT NULL,
	last_update_time BIGINT NOT NULL,
	status SMALLINT NOT NULL,
	model_type TEXT NOT NULL,
	source_run TEXT NOT NULL,
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
	value TEXT NOT NULL,
	CONSTRAINT pk_logged_model_param PRIMARY KEY (model_id, key_id)
)
 WITHOUT ROWID;

CREATE INDEX ix_logged_model_param_value ON logged_model_param (experiment_id, key_id, value, model_id);

CREATE TABLE logged_model_tag (
	model_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	experiment_id BIGINT NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_logged_model_tag PRIMARY KEY (model_id, key_id)
)
 WITHOUT ROWID;

CREATE INDEX ix_logged_model_tag_value ON logged_model_tag (experiment_id, key_id, value, model_id);

CREATE TABLE logged_model_metric (
	model_id BIGINT NOT NULL,
	key_id BIGINT NOT NULL,
	timestamp BIGINT NOT NULL,
	step BIGINT NOT NULL,
	run_id BIGINT NOT NULL,
	dataset_name TEXT NOT NULL,
	dataset_digest TEXT NOT NULL,
	experiment_id BIGINT NOT NULL,
	is_nan SMALLINT NOT NULL,
	value DOUBLE NOT NULL,
	CONSTRAINT pk_logged_model_metric PRIMARY KEY (model_id, key_id, timestamp, step, run_id, dataset_name, dataset_digest)
)
 WITHOUT ROWID;

CREATE INDEX ix_logged_model_metric_value ON logged_model_metric (experiment_id, key_id, is_nan, value, model_id);

CREATE TABLE run_model (
	run_id BIGINT NOT NULL,
	model_uuid TEXT NOT NULL,
	direction SMALLINT NOT NULL,
	step BIGINT NOT NULL,
	CONSTRAINT pk_run_model PRIMARY KEY (run_id, model_uuid, direction, step)
)
 WITHOUT ROWID;

CREATE INDEX ix_run_model_model ON run_model (model_uuid, run_id);

INSERT INTO alembic_version (version_num) VALUES ('0001')
