CREATE TABLE `account` (
	`id` text PRIMARY KEY NOT NULL,
	`side` text NOT NULL,
	`rail` text NOT NULL,
	`fund_source` text NOT NULL,
	`institution` text
);
--> statement-breakpoint
CREATE TABLE `conflict` (
	`source` text NOT NULL,
	`event_id` text NOT NULL,
	`settlement_id` text NOT NULL,
	`request_hash` blob NOT NULL,
	`ledger_index` integer NOT NULL,
	PRIMARY KEY(`source`, `event_id`)
);
--> statement-breakpoint
CREATE TABLE `consumed_position` (
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`next_offset` integer NOT NULL,
	PRIMARY KEY(`topic`, `partition`)
);
--> statement-breakpoint
CREATE TABLE `settlement` (
	`id` text PRIMARY KEY NOT NULL,
	`institution` text NOT NULL,
	`out_trade_no` text NOT NULL,
	`request_hash` blob NOT NULL,
	`action` text NOT NULL,
	`parent_id` text,
	`parent_settled_at_ms` integer,
	`terminal` text NOT NULL,
	`business_type` text NOT NULL,
	`edge` text NOT NULL,
	`amount` integer NOT NULL,
	`state` text NOT NULL,
	`phase` text,
	`person` text,
	`bound` text,
	`credential` text,
	`refusal` text,
	`unknown_rail` text,
	`unknown_reported` integer NOT NULL,
	`accepted_at_ms` integer NOT NULL,
	`recorded_at_ms` integer NOT NULL,
	`decided_at_ms` integer,
	`attempt` integer NOT NULL,
	`revision` integer NOT NULL,
	`due_at_ms` integer,
	`topic` text NOT NULL,
	`partition` integer NOT NULL,
	`offset` integer NOT NULL,
	`record_hash` blob NOT NULL,
	`ledger_index` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `settlement_idempotency` ON `settlement` (`institution`,`out_trade_no`);--> statement-breakpoint
CREATE INDEX `settlement_parent` ON `settlement` (`parent_id`) WHERE parent_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `settlement_due` ON `settlement` (`due_at_ms`) WHERE due_at_ms IS NOT NULL;--> statement-breakpoint
CREATE TABLE `transfer` (
	`settlement_id` text NOT NULL,
	`rail` text NOT NULL,
	`fund_source` text NOT NULL,
	`stage` text NOT NULL,
	`debit` text NOT NULL,
	`credit` text NOT NULL,
	`amount` integer NOT NULL,
	`rail_reference` text,
	`at_ms` integer NOT NULL,
	`ledger_index` integer NOT NULL,
	PRIMARY KEY(`settlement_id`, `rail`, `fund_source`, `stage`)
);
--> statement-breakpoint
CREATE TABLE `ledger_publication` (
	`origin` text PRIMARY KEY NOT NULL,
	`leaves` integer NOT NULL,
	`checkpoint_size` integer NOT NULL
);
--> statement-breakpoint
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
CREATE INDEX `disclosure_value` ON `disclosure` (`value`);--> statement-breakpoint
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
CREATE INDEX `leaf_subject` ON `leaf` (`subject`);--> statement-breakpoint
CREATE INDEX `leaf_institution` ON `leaf` (`institution`,`at_ms`);--> statement-breakpoint
CREATE TABLE `tile` (
	`level` integer NOT NULL,
	`idx` integer NOT NULL,
	`hashes` blob NOT NULL,
	PRIMARY KEY(`level`, `idx`)
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
