"""What a 400 says."""

TITLE_REQUIRED = "Title is required"
TITLE = "Title must be between 1 and 200 characters"
DESCRIPTION = "Description must not exceed 1000 characters"
COMPLETED = "Completed must be true or false"
BODY = "Body must be a JSON object"
FILTER = "Filter must be all, pending or completed"
TASK_ID = "Task id must be a positive integer"


def bad(text: str) -> tuple[int, dict[str, str]]:
    return 400, {"error": text, "code": "VALIDATION_ERROR"}
