CREATE TABLE `split_view` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`origin` text NOT NULL,
	`kind` text NOT NULL,
	`ours` text NOT NULL,
	`theirs` text NOT NULL,
	`proof` text NOT NULL,
	`source` text NOT NULL,
	`found_ms` integer NOT NULL,
	`acknowledged_ms` integer,
	`acknowledged_by` text,
	`reason` text
);
--> statement-breakpoint
CREATE TABLE `witness_head` (
	`origin` text PRIMARY KEY NOT NULL,
	`size` integer NOT NULL,
	`root` blob NOT NULL,
	`note` text NOT NULL,
	`time_s` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `witness_history` (
	`origin` text NOT NULL,
	`size` integer NOT NULL,
	`root` blob NOT NULL,
	`note` text NOT NULL,
	PRIMARY KEY(`origin`, `size`)
);
