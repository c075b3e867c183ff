"""AWS Signature Version 2 in URLs, verified and nothing more: what some clients still make of a presigned link."""
