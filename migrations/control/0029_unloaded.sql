-- An endpoint that somebody unloaded stays so until it is loaded or defined again, over restarts too.

ALTER TABLE endpoints ADD COLUMN unloaded INTEGER NOT NULL DEFAULT 0;
