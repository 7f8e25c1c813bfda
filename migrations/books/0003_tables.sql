CREATE TABLE `correction` (
	`id` text PRIMARY KEY NOT NULL,
	`shard` integer NOT NULL,
	`said` text NOT NULL,
	`at_ms` integer NOT NULL,
	`done` integer DEFAULT 0 NOT NULL
);

--> statement-breakpoint
CREATE INDEX `correction_waiting` ON `correction` (`done`) WHERE done = 0;
