CREATE TABLE `app` (
	`app_id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`status` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `edge` (
	`edge_id` text PRIMARY KEY NOT NULL,
	`status` text NOT NULL,
	`serves` text
);
--> statement-breakpoint
CREATE TABLE `edge_key` (
	`edge_id` text NOT NULL,
	`key_id` text NOT NULL,
	`auth_key` blob NOT NULL,
	`key_handle` text NOT NULL,
	`added_at_ms` integer NOT NULL,
	`until_ms` integer,
	PRIMARY KEY(`edge_id`, `key_id`)
);
--> statement-breakpoint
CREATE TABLE `institution` (
	`org_id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`kind` text NOT NULL,
	`status` text NOT NULL,
	`partner_app_id` text NOT NULL,
	`partner_secret` blob NOT NULL,
	`key_handle` text NOT NULL,
	`dialect` text NOT NULL,
	`sign_type` text NOT NULL,
	`encryption` text NOT NULL,
	`rate_per_second` real NOT NULL,
	`rate_burst` integer NOT NULL,
	`former_secret` blob,
	`former_until_ms` integer,
	`offline_amount_max_fen` integer NOT NULL,
	`offline_total_max_fen` integer NOT NULL,
	`offline_for_ms` integer NOT NULL,
	`offline_age_max_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `partner_key` (
	`org_id` text NOT NULL,
	`public_key` text NOT NULL,
	`added_at_ms` integer NOT NULL,
	`retired_at_ms` integer,
	PRIMARY KEY(`org_id`, `public_key`)
);
--> statement-breakpoint
CREATE TABLE `request_nonce` (
	`replay_key` text PRIMARY KEY NOT NULL,
	`expires_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `request_nonce_expiry` ON `request_nonce` (`expires_at_ms`);--> statement-breakpoint
CREATE TABLE `signing_key` (
	`handle` text PRIMARY KEY NOT NULL,
	`purpose` text NOT NULL,
	`public_key` text NOT NULL,
	`added_at_ms` integer NOT NULL,
	`active_from_ms` integer NOT NULL,
	`retired_at_ms` integer
);
--> statement-breakpoint
CREATE TABLE `terminal` (
	`org_id` text NOT NULL,
	`term_id` text NOT NULL,
	`latitude` real NOT NULL,
	`longitude` real NOT NULL,
	`status` text NOT NULL,
	PRIMARY KEY(`org_id`, `term_id`)
);
--> statement-breakpoint
CREATE TABLE `person` (
	`person_id` text PRIMARY KEY NOT NULL,
	`fingerprint` text NOT NULL,
	`pseudonym` text NOT NULL,
	`main_index` blob NOT NULL,
	`identity` blob NOT NULL,
	`ehc_id` blob NOT NULL,
	`ehc_fingerprint` text NOT NULL,
	`key_version` integer NOT NULL,
	`registered_at_ms` integer NOT NULL,
	`closing` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `person_fingerprint_unique` ON `person` (`fingerprint`);--> statement-breakpoint
CREATE UNIQUE INDEX `person_ehc_fingerprint_unique` ON `person` (`ehc_fingerprint`);--> statement-breakpoint
CREATE TABLE `person_document` (
	`fingerprint` text PRIMARY KEY NOT NULL,
	`person_id` text NOT NULL,
	`nhsa_type` text NOT NULL,
	`ehc_type` text NOT NULL,
	`number` blob NOT NULL,
	`key_version` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `person_document_person` ON `person_document` (`person_id`);--> statement-breakpoint
CREATE TABLE `binding` (
	`binding_id` text PRIMARY KEY NOT NULL,
	`person_id` text NOT NULL,
	`kind` text NOT NULL,
	`state` text NOT NULL,
	`suspended_by` text NOT NULL,
	`fingerprint` text NOT NULL,
	`account` blob,
	`key_version` integer NOT NULL,
	`insu_org` text NOT NULL,
	`expires_at_ms` integer,
	`changed_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `binding_person` ON `binding` (`person_id`);--> statement-breakpoint
CREATE INDEX `binding_fingerprint` ON `binding` (`fingerprint`);--> statement-breakpoint
CREATE TABLE `code_token` (
	`fingerprint` text PRIMARY KEY NOT NULL,
	`app_id` text NOT NULL,
	`person_id` text NOT NULL,
	`purpose` text NOT NULL,
	`form` text NOT NULL,
	`state` text NOT NULL,
	`issued_at_ms` integer NOT NULL,
	`expires_at_ms` integer NOT NULL,
	`visit_id` text
);
--> statement-breakpoint
CREATE INDEX `code_token_expiry` ON `code_token` (`state`,`expires_at_ms`);--> statement-breakpoint
CREATE TABLE `credential_use` (
	`transaction_id` text NOT NULL,
	`step` text NOT NULL,
	`credential` text NOT NULL,
	`terminal` text NOT NULL,
	`business_type` text NOT NULL,
	`visit_id` text NOT NULL,
	`bindings` text NOT NULL,
	`at_ms` integer NOT NULL,
	`ledger_index` integer NOT NULL,
	`leaf_hash` blob NOT NULL,
	PRIMARY KEY(`transaction_id`, `step`)
);
--> statement-breakpoint
CREATE TABLE `visit` (
	`visit_id` text PRIMARY KEY NOT NULL,
	`token_fingerprint` text NOT NULL,
	`code_fingerprint` text NOT NULL,
	`person_id` text NOT NULL,
	`purpose` text NOT NULL,
	`institution` text NOT NULL,
	`terminal` text NOT NULL,
	`business_family` text NOT NULL,
	`area` text NOT NULL,
	`expires_at_ms` integer NOT NULL,
	`settled_by` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `visit_token_fingerprint_unique` ON `visit` (`token_fingerprint`);--> statement-breakpoint
CREATE TABLE `erasure` (
	`order_id` text PRIMARY KEY NOT NULL,
	`ordered_by` text NOT NULL,
	`approved_by` text NOT NULL,
	`ground` text NOT NULL,
	`scope` text NOT NULL,
	`state` text NOT NULL,
	`person_id` text,
	`pseudonym` text,
	`settlements` text,
	`asked_at_ms` integer NOT NULL,
	`erased_at_ms` integer
);
--> statement-breakpoint
CREATE TABLE `ledger_publication` (
	`origin` text PRIMARY KEY NOT NULL,
	`leaves` integer NOT NULL,
	`checkpoint_size` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `ingested_event` (
	`edge_id` text NOT NULL,
	`event_id` text NOT NULL,
	`at_ms` integer NOT NULL,
	PRIMARY KEY(`edge_id`, `event_id`)
);
--> statement-breakpoint
CREATE INDEX `ingested_event_age` ON `ingested_event` (`at_ms`);--> statement-breakpoint
CREATE TABLE `checkpoint` (
	`size` integer PRIMARY KEY NOT NULL,
	`note` text NOT NULL,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `disclosure` (
	`idx` integer NOT NULL,
	`name` text NOT NULL,
	`salt` blob NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`idx`, `name`)
);
--> statement-breakpoint
CREATE TABLE `erased` (
	`idx` integer NOT NULL,
	`name` text NOT NULL,
	`erased_at` integer NOT NULL,
	PRIMARY KEY(`idx`, `name`)
);
--> statement-breakpoint
CREATE TABLE `head` (
	`origin` text PRIMARY KEY NOT NULL,
	`size` integer NOT NULL,
	`root` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `head_move` (
	`size` integer PRIMARY KEY NOT NULL,
	`root` blob NOT NULL,
	`from_size` integer NOT NULL,
	`from_root` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `leaf` (
	`idx` integer PRIMARY KEY NOT NULL,
	`bytes` blob NOT NULL,
	`hash` blob NOT NULL,
	`kind` text NOT NULL,
	`institution` text,
	`subject` text,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `search_key` (
	`segment` integer NOT NULL,
	`key` integer NOT NULL,
	`idx` integer NOT NULL,
	PRIMARY KEY(`segment`, `key`, `idx`)
);
--> statement-breakpoint
CREATE TABLE `search_position` (
	`id` integer PRIMARY KEY NOT NULL,
	`idx` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `tile` (
	`level` integer NOT NULL,
	`idx` integer NOT NULL,
	`hashes` blob NOT NULL,
	PRIMARY KEY(`level`, `idx`)
);
--> statement-breakpoint
CREATE TABLE `log_key` (
	`handle` text PRIMARY KEY NOT NULL,
	`verifier_key` text NOT NULL,
	`first_size` integer NOT NULL,
	`last_size` integer
);
--> statement-breakpoint
CREATE TABLE `published_checkpoint` (
	`size` integer PRIMARY KEY NOT NULL,
	`note` text NOT NULL,
	`at_ms` integer NOT NULL,
	`quorum` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `receipt_owed` (
	`event_id` text PRIMARY KEY NOT NULL,
	`topic` text NOT NULL,
	`key` text NOT NULL,
	`partition` integer,
	`headers` text NOT NULL,
	`value` blob NOT NULL,
	`ledger_index` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `witness_position` (
	`witness` text PRIMARY KEY NOT NULL,
	`size` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `outbox` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`event_id` text NOT NULL,
	`topic` text NOT NULL,
	`key` text NOT NULL,
	`partition` integer,
	`headers` text NOT NULL,
	`value` blob NOT NULL,
	`ledger_index` integer,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `outbox_dead` (
	`seq` integer PRIMARY KEY NOT NULL,
	`event_id` text NOT NULL,
	`topic` text NOT NULL,
	`key` text NOT NULL,
	`headers` text NOT NULL,
	`value` blob NOT NULL,
	`reason` text NOT NULL,
	`at_ms` integer NOT NULL
);
