CREATE TRIGGER witness_head_no_rollback BEFORE UPDATE ON witness_head WHEN NEW.size < OLD.size OR NEW.time_s < OLD.time_s BEGIN
  SELECT RAISE(ABORT, 'a witness never goes back');
END
--> statement-breakpoint
CREATE TRIGGER witness_head_one_root BEFORE UPDATE ON witness_head WHEN NEW.size = OLD.size AND NEW.root <> OLD.root BEGIN
  SELECT RAISE(ABORT, 'one root for one size');
END
--> statement-breakpoint
CREATE TRIGGER witness_head_no_delete BEFORE DELETE ON witness_head BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END
--> statement-breakpoint
CREATE TRIGGER split_view_no_delete BEFORE DELETE ON split_view BEGIN SELECT RAISE(ABORT, 'evidence stays'); END
