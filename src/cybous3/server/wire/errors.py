"""What S3 answers when it refuses: one table of codes, one exception, one rendering.

The table holds every code this server may answer. Raising a code that is not in it is a programming error and
shows at once, as KeyError, so no client ever meets a code without a status and a sentence. Codes and statuses are
those of the S3 API reference, "Error responses"; where AWS answers codes it does not list there (BadDigest for
trailing checksums, InsufficientStorage, ...) the row stands in the last group.
"""

from types import MappingProxyType

from cybous3.core.errors import CybousError
from cybous3.server.wire.markup import text_element

ERRORS = MappingProxyType(
    {
        # who you are
        "AccessDenied": (403, "Access Denied"),
        "AccountProblem": (403, "There is a problem with your account that prevents the operation from completing."),
        "AccessControlListNotSupported": (400, "The bucket does not allow ACLs."),
        "AllAccessDisabled": (403, "All access to this resource has been disabled."),
        "AuthorizationHeaderMalformed": (400, "The authorization header that you provided is not valid."),
        "AuthorizationQueryParametersError": (
            400,
            "The authorization query parameters that you provided are not valid.",
        ),
        "CredentialsNotSupported": (400, "This request does not support credentials."),
        "ExpiredToken": (400, "The provided token has expired."),
        "InvalidAccessKeyId": (403, "The access key ID that you provided does not exist in our records."),
        "InvalidSecurity": (403, "The provided security credentials are not valid."),
        "InvalidToken": (400, "The provided token is malformed or otherwise not valid."),
        "MissingSecurityHeader": (400, "Your request is missing a required header."),
        "RequestExpired": (400, "Request has expired."),
        "RequestTimeTooSkewed": (403, "The difference between the request time and the server's time is too large."),
        "SignatureDoesNotMatch": (
            403,
            (
                "The request signature that the server calculated does not match the signature that you provided. "
                "Check your secret access key and signing method."
            ),
        ),
        # buckets
        "BucketAlreadyExists": (
            409,
            (
                "The requested bucket name is not available. The bucket namespace is shared by all users of the "
                "system. Select a different name and try again."
            ),
        ),
        "BucketAlreadyOwnedByYou": (409, "The bucket that you tried to create already exists, and you own it."),
        "BucketNotEmpty": (409, "The bucket that you tried to delete is not empty."),
        "IllegalLocationConstraintException": (400, "The specified location constraint is not valid for this server."),
        "InvalidBucketName": (400, "The specified bucket is not valid."),
        "InvalidBucketState": (409, "The request is not valid with the current state of the bucket."),
        "InvalidLocationConstraint": (400, "The specified location (Region) constraint is not valid."),
        "NoSuchBucket": (404, "The specified bucket does not exist."),
        "TooManyBuckets": (400, "You have attempted to create more buckets than allowed."),
        # objects, versions, uploads
        "ConditionalRequestConflict": (
            409,
            "A conflicting operation occurred during the write of this object. Retry the request.",
        ),
        "InvalidObjectState": (403, "The operation is not valid for the current state of the object."),
        "InvalidPart": (
            400,
            (
                "One or more of the specified parts could not be found. The part might not have been uploaded, "
                "or the specified entity tag might not match the part's entity tag."
            ),
        ),
        "InvalidPartNumber": (416, "The requested part number is not satisfiable."),
        "InvalidPartOrder": (
            400,
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
        ),
        "InvalidRange": (416, "The requested range is not satisfiable."),
        "InvalidVersionId": (400, "The specified version ID is not valid."),
        "NoSuchKey": (404, "The specified key does not exist."),
        "NoSuchUpload": (
            404,
            (
                "The specified multipart upload does not exist. The upload ID might not be valid, "
                "or the multipart upload might have been aborted or completed."
            ),
        ),
        "NoSuchVersion": (404, "The specified version does not exist."),
        "OperationAborted": (
            409,
            "A conflicting conditional operation is currently in progress against this resource. Try again.",
        ),
        "PreconditionFailed": (412, "At least one of the preconditions that you specified did not hold."),
        # sub-resources that are not set
        "NoSuchBucketPolicy": (404, "The specified bucket does not have a bucket policy."),
        "NoSuchCORSConfiguration": (404, "The specified bucket does not have a CORS configuration."),
        "NoSuchLifecycleConfiguration": (404, "The specified lifecycle configuration does not exist."),
        "NoSuchObjectLockConfiguration": (404, "The specified object does not have an ObjectLock configuration."),
        "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found."),
        "NoSuchTagSet": (404, "There is no tag set associated with the resource."),
        "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration."),
        "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket."),
        "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found."),
        "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found."),
        "ServerSideEncryptionConfigurationNotFoundError": (
            404,
            "The server-side encryption configuration was not found.",
        ),
        # what you sent
        "BadDigest": (400, "The Content-MD5 or checksum value that you specified did not match what was received."),
        "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed object size."),
        "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed object size."),
        "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length HTTP header."),
        "InvalidArgument": (400, "The specified argument was not valid."),
        "InvalidDigest": (400, "The Content-MD5 or checksum value that you specified is not valid."),
        "InvalidEncryptionAlgorithmError": (
            400,
            "The encryption request that you specified is not valid. Supported value: AES256.",
        ),
        "InvalidRequest": (400, "The request is not valid."),
        "InvalidStorageClass": (400, "The storage class that you specified is not valid."),
        "InvalidTag": (400, "The tag that you provided is not valid."),
        "InvalidURI": (400, "The specified URI couldn't be parsed."),
        "KeyTooLongError": (400, "Your key is too long."),
        "MalformedPolicy": (400, "The policy is not valid JSON."),
        "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
        "MalformedTrailerError": (
            400,
            "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        ),
        "MalformedXML": (
            400,
            "The XML that you provided was not well formed or did not validate against our published schema.",
        ),
        "MaxMessageLengthExceeded": (400, "Your request was too large."),
        "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size."),
        "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
        "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
        "MissingRequestBodyError": (400, "Request body is empty."),
        "NotImplemented": (501, "A header or query that you provided implies functionality that is not implemented."),
        "RequestHeaderSectionTooLarge": (400, "The request header and query parameters exceed the maximum size."),
        "RequestTimeout": (
            400,
            "Your socket connection to the server was not read from or written to within the timeout period.",
        ),
        "UserKeyMustBeSpecified": (400, "The bucket POST must contain the specified field name."),
        "XAmzContentSHA256Mismatch": (
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        # where you should go
        "PermanentRedirect": (301, "The bucket that you are attempting to access must be addressed elsewhere."),
        "TemporaryRedirect": (307, "You are being redirected to the bucket while DNS updates."),
        # accounts: the administration speaks the words of IAM
        "DeleteConflict": (409, "The request attempted to delete a resource that has attached subordinate entities."),
        "EntityAlreadyExists": (409, "The request attempted to create a resource that already exists."),
        "NoSuchEntity": (404, "The request referenced a resource entity that does not exist."),
        # what we could not do
        "InsufficientStorage": (507, "There is not enough space left to store the request."),
        "InternalError": (500, "An internal error occurred. Try again."),
        "ServiceUnavailable": (503, "Service is unable to handle request."),
        "SlowDown": (503, "Please reduce your request rate."),
    }
)


class S3Error(CybousError):
    """A refusal in S3's words.

    `code` must be a row of `ERRORS`, else KeyError. `message` replaces the row's sentence. `detail` becomes further
    elements of the answer (`BucketName`, `Key`, `ArgumentName`, ...), in the order given; the elements that every
    answer has (`Code`, `Message`, `Resource`, `RequestId`, `HostId`) cannot be given twice.
    """

    _reserved = frozenset({"Code", "Message", "Resource", "RequestId", "HostId"})

    def __init__(self, code: str, message: str | None = None, **detail: str) -> None:
        self.status, sentence = ERRORS[code]
        if not self._reserved.isdisjoint(detail):
            raise ValueError(f"an element every answer has was given as detail: {sorted(detail)}")
        super().__init__(message or sentence)
        self.code = code
        self.detail = detail

    def __repr__(self) -> str:
        return f"S3Error({self.code!r}, {self.message!r}, {self.detail!r})"


def invalid_argument(name: str, value: str, message: str | None = None) -> S3Error:
    """Return the refusal of one argument, naming it and its value as S3 does."""
    return S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def render(error: S3Error, resource: str, request_id: str, host_id: str) -> bytes:
    """Return the XML body of the answer. `resource` is the path as it came, percent-encoded.

    Characters that XML 1.0 cannot carry appear as U+FFFD: an error that cannot be parsed hides its own code.
    """
    fields = {
        "Code": error.code,
        "Message": error.message,
        **error.detail,
        "Resource": resource,
        "RequestId": request_id,
        "HostId": host_id,
    }
    body = "".join(text_element(name, value) for name, value in fields.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{body}</Error>'.encode()
