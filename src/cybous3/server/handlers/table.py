"""Which operations are built, and by what. An operation that is not here answers 501 by its name."""

from types import MappingProxyType

from cybous3.server.handlers import attributes, buckets, copying, listing, multipart, reading, writing
from cybous3.server.handlers.call import Handler

HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "ListBuckets": buckets.list_buckets,
        "CreateBucket": buckets.create_bucket,
        "HeadBucket": buckets.head_bucket,
        "DeleteBucket": buckets.delete_bucket,
        "GetBucketLocation": buckets.get_bucket_location,
        "ListObjects": listing.list_objects,
        "ListObjectsV2": listing.list_objects_v2,
        "ListObjectVersions": listing.list_object_versions,
        "GetObject": reading.get_object,
        "HeadObject": reading.head_object,
        "GetObjectAttributes": attributes.get_object_attributes,
        "PutObject": writing.put_object,
        "DeleteObject": writing.delete_object,
        "DeleteObjects": writing.delete_objects,
        "CopyObject": copying.copy_object,
        "CreateMultipartUpload": multipart.create_multipart_upload,
        "UploadPart": multipart.upload_part,
        "UploadPartCopy": copying.upload_part_copy,
        "CompleteMultipartUpload": multipart.complete_multipart_upload,
        "AbortMultipartUpload": multipart.abort_multipart_upload,
        "ListParts": multipart.list_parts,
        "ListMultipartUploads": multipart.list_multipart_uploads,
    }
)
