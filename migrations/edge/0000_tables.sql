CREATE TABLE `bundle_cache` (
	`id` integer PRIMARY KEY NOT NULL,
	`version` integer NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `code_mark` (
	`fingerprint` text NOT NULL,
	`step` text NOT NULL,
	`org_id` text NOT NULL,
	`out_trade_no` text NOT NULL,
	`term_id` text NOT NULL,
	`expires_at_ms` integer NOT NULL,
	PRIMARY KEY(`fingerprint`, `step`)
);
--> statement-breakpoint
CREATE INDEX `code_mark_expiry` ON `code_mark` (`expires_at_ms`);--> statement-breakpoint
CREATE TABLE `nonce` (
	`replay_key` text PRIMARY KEY NOT NULL,
	`org_id` text NOT NULL,
	`expires_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `nonce_expiry` ON `nonce` (`expires_at_ms`);--> statement-breakpoint
CREATE TABLE `offline_taken` (
	`org_id` text PRIMARY KEY NOT NULL,
	`count` integer NOT NULL,
	`fen` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `result` (
	`settlement_id` text NOT NULL,
	`request_hash` text NOT NULL,
	`org_id` text NOT NULL,
	`out_trade_no` text NOT NULL,
	`conflict` integer NOT NULL,
	`reply` text NOT NULL,
	`at_ms` integer NOT NULL,
	PRIMARY KEY(`settlement_id`, `request_hash`)
);
--> statement-breakpoint
CREATE INDEX `result_number` ON `result` (`org_id`,`out_trade_no`);--> statement-breakpoint
CREATE INDEX `result_age` ON `result` (`at_ms`);--> statement-breakpoint
CREATE TABLE `result_offset` (
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`next_offset` integer NOT NULL,
	PRIMARY KEY(`topic`, `partition`)
);
--> statement-breakpoint
CREATE TABLE `taken_request` (
	`org_id` text NOT NULL,
	`out_trade_no` text NOT NULL,
	`request_hash` text NOT NULL,
	`accepted_at_ms` integer NOT NULL,
	PRIMARY KEY(`org_id`, `out_trade_no`)
);
--> statement-breakpoint
CREATE INDEX `taken_request_age` ON `taken_request` (`accepted_at_ms`);--> statement-breakpoint
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
