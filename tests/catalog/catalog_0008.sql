BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0008');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	reader VARCHAR(64) NOT NULL, 
	act VARCHAR(32) NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,'2026-11-30T08:00:39.849+00:00','BB','import','{"source": "source 1", "ids": [[1, 7]], "truths": {}, "summary": "7 images imported, 0 already there, 0 refused."}');
INSERT INTO "audit" VALUES(2,'2026-11-30T08:00:39.950+00:00','BB','imported','{"import": 1, "summary": "7 images imported, 0 already there, 0 refused."}');
INSERT INTO "audit" VALUES(3,'2026-11-30T08:00:39.975+00:00','BB','tag','1 images: device');
INSERT INTO "audit" VALUES(4,'2026-11-30T08:00:39.990+00:00','BB','lock_point','{"run": 2, "score": "mahalanobis", "threshold": 2.0, "rule": "youden"}');
CREATE TABLE chain_link (
	id INTEGER NOT NULL, 
	writer VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	table_name VARCHAR(32) NOT NULL, 
	row_id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_chain_link PRIMARY KEY (id), 
	CONSTRAINT uq_chain_link_writer UNIQUE (writer, number)
);
INSERT INTO "chain_link" VALUES(1,'BB',1,'audit',1,'6dcc85d6630e90e5ec5a80a51f5c1dbb75f8fcbdaadf0acf4b6eb0d09e772189');
INSERT INTO "chain_link" VALUES(2,'BB',2,'audit',2,'e2dd1f47e493f68edcd459a0319446150e0c92c203df7d41d57c23640eee9186');
INSERT INTO "chain_link" VALUES(3,'BB',3,'label_decision',1,'55081dc969d85deb3a2a40bb3dbbd258384367d838743554bc7b1c139cb5576f');
INSERT INTO "chain_link" VALUES(4,'BB',4,'label_decision',2,'4a99abea5f9cf589166bdb2a5e25682ae1a1b9c0e04aebbd0bc773d5c163dfcf');
INSERT INTO "chain_link" VALUES(5,'CC',1,'label_decision',3,'7ed4a6ec1d17ba7f0f4ce1a05e5bafb00af01e6af366bd5c58a926a918a6d29b');
INSERT INTO "chain_link" VALUES(6,'CC',2,'label_decision',4,'fd04c7260563c35c26022d7c5fb33e41945cb648ece18d9ea0cbc35bfe6c1687');
INSERT INTO "chain_link" VALUES(7,'BB',5,'audit',3,'c1540d892e02bdd7248982a60f756d8636207382d59af89155f4e0749f7ff1cd');
INSERT INTO "chain_link" VALUES(8,'BB',6,'region_act',1,'05ec4094689dd4442e0e352ef77c760cf46e39a3f835e1e61bc5759fbbd70bf9');
INSERT INTO "chain_link" VALUES(9,'BB',7,'locked_point',1,'1a13163b440865ede6056030033a66684e95c756df8a376ca5302c1357dafafb');
INSERT INTO "chain_link" VALUES(10,'BB',8,'audit',4,'a67188e8ab3506e408234b86d951df0841dafec9d70d0d2beddd70338f18c35c');
CREATE TABLE image (
	id INTEGER NOT NULL, 
	name VARCHAR(32) NOT NULL, 
	patient_id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	split VARCHAR(16) NOT NULL, 
	truth INTEGER, 
	source VARCHAR(64) NOT NULL, 
	sop_key VARCHAR(64), 
	pixel_hash VARCHAR(64) NOT NULL, 
	store_row INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	columns INTEGER NOT NULL, 
	bits_stored INTEGER NOT NULL, 
	photometric VARCHAR(32) NOT NULL, 
	modality VARCHAR(16) NOT NULL, 
	"view" VARCHAR(16) NOT NULL, 
	body_part VARCHAR(32) NOT NULL, 
	transfer_syntax VARCHAR(64) NOT NULL, 
	pixel_spacing_mm DOUBLE, 
	flags VARCHAR(256) NOT NULL, 
	added_at VARCHAR(32) NOT NULL, 
	removed_at VARCHAR(32), patient_known BOOLEAN DEFAULT 0 NOT NULL, column_spacing_mm DOUBLE, spacing_tag VARCHAR(32) DEFAULT '' NOT NULL, held VARCHAR(16) DEFAULT '' NOT NULL, sex VARCHAR(1) DEFAULT '' NOT NULL, age_band VARCHAR(8) DEFAULT '' NOT NULL, findings VARCHAR(128) DEFAULT '' NOT NULL, is_validation BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_image PRIMARY KEY (id), 
	CONSTRAINT ck_image_split_known CHECK (split IN ('normal', 'unlabeled', 'test')), 
	CONSTRAINT ck_image_truth_binary CHECK (truth IS NULL OR truth IN (0, 1)), 
	CONSTRAINT fk_image_patient_id_patient FOREIGN KEY(patient_id) REFERENCES patient (id), 
	CONSTRAINT fk_image_study_id_study FOREIGN KEY(study_id) REFERENCES study (id), 
	CONSTRAINT uq_image_name UNIQUE (name), 
	CONSTRAINT uq_image_pixel_hash UNIQUE (pixel_hash), 
	CONSTRAINT uq_image_sop_key UNIQUE (sop_key), 
	CONSTRAINT uq_image_store_row UNIQUE (store_row)
);
INSERT INTO "image" VALUES(1,'CXR-00001',1,1,'normal',0,'source 1',NULL,'aab172343341274446dda03f813cb3c2a042c3304e639e8d77d0ff5d6f55773f',0,224,224,8,'MONOCHROME2','','','','JPEG RGB',NULL,'','2026-11-30T08:00:39.942+00:00',NULL,1,NULL,'','','','','',0);
INSERT INTO "image" VALUES(2,'CXR-00002',2,2,'normal',0,'source 1',NULL,'110916d8d7b1acc817ae5e4f2a3808d9de51bb20228144b8f9ac56328bf09a9b',1,224,224,8,'MONOCHROME2','','','','JPEG RGB',NULL,'','2026-11-30T08:00:39.942+00:00',NULL,1,NULL,'','','','','',0);
INSERT INTO "image" VALUES(3,'CXR-00003',3,3,'unlabeled',0,'source 1',NULL,'253b19a5b8da85fa69e00b81bcc2150520386389a0fb5cbcd0ea606ed7c10351',2,224,224,8,'MONOCHROME2','','','','JPEG RGB',NULL,'','2026-11-30T08:00:39.942+00:00',NULL,1,NULL,'','','','','',0);
INSERT INTO "image" VALUES(4,'CXR-00004',4,4,'unlabeled',1,'source 1',NULL,'b409d99a23a302cc54fc37f277b3b86cd9f3f1fdb9570aa33ac5a7b6fd3671a8',3,224,224,8,'MONOCHROME2','','','','JPEG RGB',NULL,'','2026-11-30T08:00:39.942+00:00',NULL,1,NULL,'','','','','',0);
INSERT INTO "image" VALUES(5,'CXR-00005',5,5,'unlabeled',1,'source 1',NULL,'5e42e7a95579809190642cdd4619f3b16a5aec6e842356d255414de57711c8ea',4,224,224,8,'MONOCHROME2','','','','JPEG RGB',NULL,'','2026-11-30T08:00:39.942+00:00',NULL,1,NULL,'','','','','',0);
INSERT INTO "image" VALUES(6,'CXR-00006',6,6,'test',0,'source 1',NULL,'9c9f63e3a9659fd2d7ec99c94cb89354bdc5b2280de5ccedbc05c71ccfa6e7f0',5,224,224,8,'MONOCHROME2','','','','JPEG RGB',NULL,'','2026-11-30T08:00:39.942+00:00',NULL,1,NULL,'','','','','',0);
INSERT INTO "image" VALUES(7,'CXR-00007',7,7,'test',1,'source 1',NULL,'e9c1e5341564ab704842cc2112795e7cfbb2210cef0f4f1a6bc0fe45bc687b10',6,224,224,8,'MONOCHROME2','','','','JPEG RGB',NULL,'','2026-11-30T08:00:39.942+00:00',NULL,1,NULL,'','','','','',0);
CREATE TABLE image_tag (
	image_id INTEGER NOT NULL, 
	tag VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_image_tag PRIMARY KEY (image_id, tag), 
	CONSTRAINT fk_image_tag_image_id_image FOREIGN KEY(image_id) REFERENCES image (id)
);
INSERT INTO "image_tag" VALUES(3,'device');
CREATE TABLE label_decision (
	id INTEGER NOT NULL, 
	image_id INTEGER NOT NULL, 
	reader VARCHAR(64) NOT NULL, 
	decided_at VARCHAR(32) NOT NULL, 
	run_id INTEGER, 
	"before" VARCHAR(16) NOT NULL, 
	"after" VARCHAR(16) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	batch INTEGER NOT NULL, reverts INTEGER, offered VARCHAR(32) DEFAULT '' NOT NULL, truth_shown BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_label_decision PRIMARY KEY (id), 
	CONSTRAINT fk_label_decision_image_id_image FOREIGN KEY(image_id) REFERENCES image (id), 
	CONSTRAINT fk_label_decision_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "label_decision" VALUES(1,3,'BB','2026-11-30T08:00:39.964+00:00',1,'','abnormal','decide',1,NULL,'',0);
INSERT INTO "label_decision" VALUES(2,4,'BB','2026-11-30T08:00:39.964+00:00',1,'','abnormal','decide',1,NULL,'',0);
INSERT INTO "label_decision" VALUES(3,5,'CC','2026-11-30T08:00:39.968+00:00',1,'','normal','decide',2,NULL,'',0);
INSERT INTO "label_decision" VALUES(4,5,'CC','2026-11-30T08:00:39.973+00:00',1,'normal','','undo',3,2,'',0);
CREATE TABLE locked_point (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	threshold DOUBLE NOT NULL, 
	rule VARCHAR(16) NOT NULL, 
	target DOUBLE NOT NULL, 
	prevalence DOUBLE NOT NULL, 
	chosen_on VARCHAR(256) NOT NULL, 
	reader VARCHAR(64) NOT NULL, 
	locked_at VARCHAR(32) NOT NULL, 
	seen_before VARCHAR(32) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_locked_point PRIMARY KEY (id), 
	CONSTRAINT fk_locked_point_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "locked_point" VALUES(1,2,'mahalanobis',2.0,'youden',0.0,0.1,'2 test images','BB','2026-11-30T08:00:39.989+00:00','');
CREATE TABLE patient (
	id INTEGER NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_patient PRIMARY KEY (id), 
	CONSTRAINT uq_patient_key UNIQUE ("key")
);
INSERT INTO "patient" VALUES(1,'4b0102d1da68e51be3562507f5c63a86c7ebbabc282052a052a8bfe70c79d589');
INSERT INTO "patient" VALUES(2,'030f29fbf98b0af9e9f4ffeabd98716d7826363647d3a9edd558c1c4acb22f91');
INSERT INTO "patient" VALUES(3,'7c6ee43d9b1fcfc235f4626f368e1cdad61b5b05323fa0dbd957d6eb0cf16e68');
INSERT INTO "patient" VALUES(4,'f8aa847fb9b8b9d189f912ce4093f32f68c6e95c11caf119d5c38400829000ba');
INSERT INTO "patient" VALUES(5,'4ac1c3fb0b03db829c677e0bb9d7a560a7850adaa3784c55b991f40ab4411bdc');
INSERT INTO "patient" VALUES(6,'89b9dd18d8c608a26fe369483d23e4f9a0e6e706c0b3a47c19be730a856d108e');
INSERT INTO "patient" VALUES(7,'5e89d79c931c9f28ae363c0ad0da9216835402881fcb00d2c2a30102433f90dd');
CREATE TABLE queue_job (
	id INTEGER NOT NULL, 
	experiment VARCHAR(64) NOT NULL, 
	title VARCHAR(128) NOT NULL, 
	reads TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	job VARCHAR(16) NOT NULL, 
	config TEXT NOT NULL, 
	needs INTEGER, 
	run_id INTEGER, 
	error TEXT NOT NULL, 
	started_at VARCHAR(32) NOT NULL, 
	finished_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_queue_job PRIMARY KEY (id), 
	CONSTRAINT fk_queue_job_needs_queue_job FOREIGN KEY(needs) REFERENCES queue_job (id), 
	CONSTRAINT fk_queue_job_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "queue_job" VALUES(1,'seeds-1','Stage 1, seed 1','[]',1,'waiting','stage1','{"weights": "bundled"}',NULL,NULL,'','','');
CREATE TABLE reading (
	id INTEGER NOT NULL, 
	session_id INTEGER NOT NULL, 
	image_id INTEGER NOT NULL, 
	label VARCHAR(16) NOT NULL, 
	read_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_reading PRIMARY KEY (id), 
	CONSTRAINT fk_reading_session_id_reading_session FOREIGN KEY(session_id) REFERENCES reading_session (id), 
	CONSTRAINT fk_reading_image_id_image FOREIGN KEY(image_id) REFERENCES image (id)
);
INSERT INTO "reading" VALUES(1,1,3,'normal','2026-11-30T08:00:39.983+00:00');
CREATE TABLE reading_item (
	session_id INTEGER NOT NULL, 
	image_id INTEGER NOT NULL, 
	place INTEGER NOT NULL, 
	first_reader VARCHAR(64) NOT NULL, 
	first_label VARCHAR(16) NOT NULL, 
	CONSTRAINT pk_reading_item PRIMARY KEY (session_id, image_id), 
	CONSTRAINT fk_reading_item_session_id_reading_session FOREIGN KEY(session_id) REFERENCES reading_session (id), 
	CONSTRAINT fk_reading_item_image_id_image FOREIGN KEY(image_id) REFERENCES image (id)
);
INSERT INTO "reading_item" VALUES(1,3,0,'BB','abnormal');
CREATE TABLE reading_session (
	id INTEGER NOT NULL, 
	reader VARCHAR(64) NOT NULL, 
	chosen_by VARCHAR(32) NOT NULL, 
	began_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_reading_session PRIMARY KEY (id)
);
INSERT INTO "reading_session" VALUES(1,'CC','random','2026-11-30T08:00:39.980+00:00');
CREATE TABLE region_act (
	id INTEGER NOT NULL, 
	batch INTEGER NOT NULL, 
	region INTEGER NOT NULL, 
	image_id INTEGER NOT NULL, 
	reader VARCHAR(64) NOT NULL, 
	acted_at VARCHAR(32) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	reverts INTEGER, 
	state VARCHAR(16) NOT NULL, 
	shape VARCHAR(16) NOT NULL, 
	points TEXT NOT NULL, 
	note TEXT NOT NULL, 
	run_id INTEGER, 
	score VARCHAR(32) NOT NULL, 
	threshold DOUBLE, 
	CONSTRAINT pk_region_act PRIMARY KEY (id), 
	CONSTRAINT fk_region_act_image_id_image FOREIGN KEY(image_id) REFERENCES image (id), 
	CONSTRAINT fk_region_act_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "region_act" VALUES(1,1,1,6,'BB','2026-11-30T08:00:39.985+00:00','draw',NULL,'drawn','polygon','[[0.1, 0.2], [0.4, 0.2], [0.4, 0.6000000000000001], [0.1, 0.6000000000000001]]','effusion?',NULL,'',NULL);
CREATE TABLE run (
	id INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	parent_id INTEGER, 
	config TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	epochs INTEGER NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	finished_at VARCHAR(32), 
	heartbeat_at VARCHAR(32) NOT NULL, 
	error TEXT NOT NULL, experiment VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (id), 
	CONSTRAINT fk_run_parent_id_run FOREIGN KEY(parent_id) REFERENCES run (id)
);
INSERT INTO "run" VALUES(1,'stage1','finished',NULL,'{"seed": 0}',3,3,'2026-11-30T08:00:39.957+00:00','2026-11-30T08:00:39.958+00:00','2026-11-30T08:00:39.957+00:00','','');
INSERT INTO "run" VALUES(2,'score','finished',1,'{}',0,0,'2026-11-30T08:00:39.959+00:00','2026-11-30T08:00:39.959+00:00','2026-11-30T08:00:39.959+00:00','','');
CREATE TABLE saved_filter (
	name VARCHAR(64) NOT NULL, 
	text VARCHAR(256) NOT NULL, 
	CONSTRAINT pk_saved_filter PRIMARY KEY (name)
);
INSERT INTO "saved_filter" VALUES('devices','tag:device');
CREATE TABLE score (
	run_id INTEGER NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	image_id INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	CONSTRAINT pk_score PRIMARY KEY (run_id, kind, image_id), 
	CONSTRAINT fk_score_image_id_image FOREIGN KEY(image_id) REFERENCES image (id), 
	CONSTRAINT fk_score_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "score" VALUES(2,'mahalanobis',6,1.5);
INSERT INTO "score" VALUES(2,'mahalanobis',7,2.5);
ANALYZE "sqlite_master";
INSERT INTO "sqlite_stat1" VALUES('chain_link','sqlite_autoindex_chain_link_1','2 2 1');
INSERT INTO "sqlite_stat1" VALUES('alembic_version','sqlite_autoindex_alembic_version_1','1 1');
INSERT INTO "sqlite_stat1" VALUES('audit',NULL,'2');
INSERT INTO "sqlite_stat1" VALUES('study','ix_study_patient_id','7 1');
INSERT INTO "sqlite_stat1" VALUES('study','sqlite_autoindex_study_1','7 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_held','7 7');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_split_known_shown','7 3 3');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_shown','7 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_split_truth_shown','7 3 2');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_patient_split_shown','7 1 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_patient_id_shown','7 1 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_added_at_shown','7 7 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_rows_shown','7 7 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_view_shown','7 7 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_source_shown','7 7 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_truth_shown','7 4 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_split_shown','7 3 1');
INSERT INTO "sqlite_stat1" VALUES('image','ix_image_study_id','7 1');
INSERT INTO "sqlite_stat1" VALUES('image','sqlite_autoindex_image_4','7 1');
INSERT INTO "sqlite_stat1" VALUES('image','sqlite_autoindex_image_3','7 7');
INSERT INTO "sqlite_stat1" VALUES('image','sqlite_autoindex_image_2','7 1');
INSERT INTO "sqlite_stat1" VALUES('image','sqlite_autoindex_image_1','7 1');
INSERT INTO "sqlite_stat1" VALUES('patient','sqlite_autoindex_patient_1','7 1');
CREATE TABLE study (
	id INTEGER NOT NULL, 
	patient_id INTEGER NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_study PRIMARY KEY (id), 
	CONSTRAINT fk_study_patient_id_patient FOREIGN KEY(patient_id) REFERENCES patient (id), 
	CONSTRAINT uq_study_key UNIQUE ("key")
);
INSERT INTO "study" VALUES(1,1,'bff9c7c3f4637dbc40f51b4a16b7cc67bea6f64648cb940c5df47b1ec341f39f');
INSERT INTO "study" VALUES(2,2,'ef8a1ea0780fae2fa880698f8a19a69e90588561c73db824c95ddb968854533f');
INSERT INTO "study" VALUES(3,3,'0e9eb145b0943dea0d0839e8f1cf34aead2a4620928e8d282923ba8be022367d');
INSERT INTO "study" VALUES(4,4,'aa7b80eecb8fb9247c256499dbb89e142e9de9755f25e55da7436f8167342ebc');
INSERT INTO "study" VALUES(5,5,'35670d85e66349eaef5e77a16e8ffd9de4d70ccda3ddf48287b00fccaa8cb762');
INSERT INTO "study" VALUES(6,6,'f9ab3d080180226104554da7b86d7b25280e80cfbae68ca0a734b9dabaa998c9');
INSERT INTO "study" VALUES(7,7,'dbe1b48681629badf0dee7d6a6bb2735a27388955ed9fde858c430eb9b974cd6');
CREATE INDEX ix_run_kind ON run (kind);
CREATE INDEX ix_run_state ON run (state);
CREATE INDEX ix_study_patient_id ON study (patient_id);
CREATE INDEX ix_image_study_id ON image (study_id);
CREATE INDEX ix_label_decision_batch ON label_decision (batch);
CREATE INDEX ix_label_decision_image_id ON label_decision (image_id);
CREATE INDEX ix_score_run_kind_value ON score (run_id, kind, value);
CREATE INDEX ix_image_split_shown ON image (split, id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_truth_shown ON image (truth, id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_source_shown ON image (source, id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_view_shown ON image ("view", id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_rows_shown ON image (rows, id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_added_at_shown ON image (added_at, id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_patient_id_shown ON image (patient_id, id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_patient_split_shown ON image (patient_id, split) WHERE removed_at IS NULL;
CREATE INDEX ix_image_split_truth_shown ON image (split, truth) WHERE removed_at IS NULL;
CREATE INDEX ix_image_flags_shown ON image (flags, id) WHERE removed_at IS NULL AND flags <> '';
CREATE INDEX ix_image_shown ON image (id) WHERE removed_at IS NULL;
CREATE INDEX ix_image_split_known_shown ON image (split, patient_known) WHERE removed_at IS NULL;
CREATE INDEX ix_image_held ON image (held);
CREATE INDEX ix_reading_session_id ON reading (session_id);
CREATE INDEX ix_image_tag_tag ON image_tag (tag, image_id);
CREATE INDEX ix_locked_point_run_id ON locked_point (run_id);
CREATE INDEX ix_queue_job_position ON queue_job (position);
CREATE INDEX ix_queue_job_experiment ON queue_job (experiment);
CREATE INDEX ix_region_act_batch ON region_act (batch);
CREATE INDEX ix_region_act_region ON region_act (region);
CREATE INDEX ix_region_act_image_id ON region_act (image_id);
COMMIT;
