CREATE TRIGGER supplement_no_update BEFORE UPDATE ON supplement BEGIN SELECT RAISE(ABORT, 'supplement is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_no_delete BEFORE DELETE ON supplement BEGIN SELECT RAISE(ABORT, 'supplement is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_two_people BEFORE INSERT ON supplement WHEN NEW.approved_by = NEW.requested_by BEGIN
  SELECT RAISE(ABORT, 'a supplement needs two people');
END
--> statement-breakpoint
CREATE TRIGGER supplement_return_no_update BEFORE UPDATE ON supplement_return BEGIN SELECT RAISE(ABORT, 'supplement_return is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_return_no_delete BEFORE DELETE ON supplement_return BEGIN SELECT RAISE(ABORT, 'supplement_return is append-only'); END
--> statement-breakpoint
CREATE TRIGGER supplement_return_two_people BEFORE INSERT ON supplement_return BEGIN
  SELECT RAISE(ABORT, 'no such supplement') WHERE NOT EXISTS (SELECT 1 FROM supplement WHERE id = NEW.id);
  SELECT RAISE(ABORT, 'the return of a supplement needs two people') WHERE NEW.approved_by = NEW.requested_by;
END
