-- The newest text of a pipeline's source, where it is bad: it is shown with what is wrong.

ALTER TABLE pipelines ADD COLUMN rejected TEXT;
