CREATE TABLE `our_left` (
	`key` text PRIMARY KEY NOT NULL,
	`shard` integer NOT NULL,
	`settlement_id` text NOT NULL,
	`reference` text NOT NULL,
	`kind` text NOT NULL,
	`institution` text NOT NULL,
	`amount` integer NOT NULL,
	`parts` text NOT NULL,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `their_left` (
	`line` integer PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE TABLE `their_ordered` (
	`place` integer PRIMARY KEY NOT NULL,
	`line` integer NOT NULL,
	`key` text NOT NULL,
	`reference` text NOT NULL,
	`kind` text NOT NULL,
	`institution` text NOT NULL,
	`amount` integer NOT NULL,
	`parts` text NOT NULL,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `their_row` (
	`line` integer PRIMARY KEY NOT NULL,
	`key` text NOT NULL,
	`reference` text NOT NULL,
	`kind` text NOT NULL,
	`institution` text NOT NULL,
	`amount` integer NOT NULL,
	`parts` text NOT NULL,
	`at_ms` integer NOT NULL
);
