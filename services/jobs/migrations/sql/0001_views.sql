-- The published names; both show what is not deleted.
CREATE VIEW ai_jobs AS
  SELECT id, user_id, tool, prompt, options, status, result_url, result_data, error_message, progress,
         started_at, completed_at, created_at, updated_at
    FROM jobs WHERE family = 'ai' AND deleted_at IS NULL;

CREATE VIEW studio_jobs AS
  SELECT id, user_id, tool,
         ARRAY(SELECT jsonb_array_elements_text(input_files)) AS input_files,
         options, status, result_url, progress, created_at
    FROM jobs WHERE family = 'studio' AND deleted_at IS NULL;
