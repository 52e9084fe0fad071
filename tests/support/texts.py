"""What a 400 says."""

TITLE_REQUIRED = "Title is required"
TITLE = "Title must be between 1 and 200 characters"
DESCRIPTION = "Description must not exceed 1000 characters"
COMPLETED = "Completed must be true or false"
PRIORITY = "Priority must be low, medium or high"
DUE_DATE = (
    "Due date must be a date (2026-12-01) or a time (2026-12-01T09:00 or 2026-12-01T09:00:00Z)"
)
TAGS = "Tags must be at most 10 texts of 1 to 50 characters"
RECURRENCE = (
    "Recurrence must have a pattern (daily, weekly, monthly or yearly), and may have an interval"
    " from 1 to 365 and an end_date (2026-12-01)"
)
REMINDER = "Reminder must be a time with a zone (2026-12-01T08:00:00Z)"
BODY = "Body must be a JSON object"
UNDECLARED = f"{BODY}, sent with the header Content-Type: application/json"
FILTER = "Filter must be all, pending or completed"
TASK_ID = "Task id must be a positive integer"


def bad(text: str) -> tuple[int, dict[str, str]]:
    return 400, {"error": text, "code": "VALIDATION_ERROR"}
