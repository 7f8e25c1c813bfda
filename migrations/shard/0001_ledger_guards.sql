CREATE TRIGGER leaf_no_update BEFORE UPDATE ON leaf BEGIN SELECT RAISE(ABORT, 'leaf is append-only'); END
--> statement-breakpoint
CREATE TRIGGER leaf_no_delete BEFORE DELETE ON leaf BEGIN SELECT RAISE(ABORT, 'leaf is append-only'); END
--> statement-breakpoint
CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END
--> statement-breakpoint
CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END
--> statement-breakpoint
CREATE TRIGGER head_move_check BEFORE INSERT ON head_move BEGIN
  SELECT RAISE(ABORT, 'head moved') WHERE NOT EXISTS (SELECT 1 FROM head WHERE size = NEW.from_size AND root = NEW.from_root);
  SELECT RAISE(ABORT, 'leaves missing') WHERE (SELECT coalesce(max(idx), -1) + 1 FROM leaf) <> NEW.size;
END
--> statement-breakpoint
CREATE TRIGGER head_move_apply AFTER INSERT ON head_move BEGIN UPDATE head SET size = NEW.size, root = NEW.root; END
