-- Which start of the machine an attempt was claimed in: what a power cut took of its files is then no riddle.
-- NULL: claimed by a version that made those files durable.

ALTER TABLE pipeline_attempts ADD COLUMN boot TEXT;
