"""Refusals, each named by its fact."""

from typing import Any

from shared.errors import Conflict, Forbidden, Gone, NotFound, TooLarge, Unprocessable, UnsupportedMedia


class JobNotFound(NotFound):
    code, title = "job_not_found", "There is no such job"


class JobStillRunning(Conflict):
    code, title = "job_not_over", "The job has not ended yet"


class JobNotRetryable(Conflict):
    code, title = "job_not_retryable", "Only a failed or cancelled job can be run again"


class JobHasNoResult(Conflict):
    code, title = "job_has_no_result", "The job has no result"


class ResultGone(Gone):
    code, title = "result_gone", "The result was removed when its time was over"


class BatchNotFound(NotFound):
    code, title = "batch_not_found", "There is no such batch"


class EndpointNotFound(NotFound):
    code, title = "webhook_endpoint_not_found", "There is no such webhook endpoint"


class DeliveryNotFound(NotFound):
    code, title = "delivery_not_found", "There is no such delivery"


class EndpointDisabled(Conflict):
    code, title = "webhook_endpoint_disabled", "This webhook endpoint is disabled"


class TooManyEndpoints(Conflict):
    code, title = "too_many_webhook_endpoints", "There are as many webhook endpoints as may be"


class WebhookUrlRefused(Unprocessable):
    code, title = "webhook_url_refused", "This URL can't be called"


class ToolUnknown(Unprocessable):
    code, title = "tool_unknown", "There is no such tool here"


class ToolUnavailable(Unprocessable):
    code, title = "tool_unavailable", "This tool is not available yet"


class InvalidJob(Unprocessable):
    """The request parses but this tool can't do it; `errors` names the fields."""

    code, title = "invalid_job", "The tool can't do this"

    @classmethod
    def at(cls, field: str, code: str, detail: str) -> "InvalidJob":
        return cls(detail, errors=[{"field": field, "code": code, "detail": detail}])


class LeaseLost(Conflict):
    """The token is not, or no longer, that of a job which this runner holds."""

    code, title = "lease_lost", "This job is not yours to work on"


class ToolNotGranted(Forbidden):
    code, title = "tool_not_granted", "This runner key is for other tools"


class OutputMissing(Conflict):
    code, title = "output_missing", "An announced output has not arrived"


class AccountClosed(Forbidden):
    code, title = "account_disabled", "This account is disabled"


class FileNotFound(NotFound):
    code, title = "file_not_found", "There is no such file"


class FileUrlNotGenuine(Forbidden):
    code, title = "bad_signature", "The link is not valid or no longer valid"


class UploadAlreadyComplete(Conflict):
    code, title = "upload_complete", "The upload is complete and can't be changed"


class UploadMissing(Conflict):
    code, title = "upload_missing", "Nothing has been uploaded yet"


class UploadDiffers(Unprocessable):
    code, title = "upload_differs", "What arrived is not what was announced"


class UploadTooLarge(TooLarge):
    code, title = "upload_too_large", "The file is too large"


class MediaUnsupported(UnsupportedMedia):
    """Bytes that are no picture we open, or are not what they claim to be."""


def media_refused(code: str, message: str) -> MediaUnsupported | UploadTooLarge | InvalidJob:
    """The problem for what an engine said about its input."""
    if code == "UNSUPPORTED_MEDIA":
        return MediaUnsupported(message)
    if code == "INPUT_TOO_LARGE":
        return UploadTooLarge(message)
    return InvalidJob(message)


def field_errors(prefix: str, found: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{**entry, "field": f"{prefix}.{entry['field']}" if entry["field"] else prefix} for entry in found]
