"""Our own buckets: reference data in, results out. Uploads are another service's."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.findings import accept
from infra.removal import removal_of
from infra.stage import Stage

# Jobs that write files for others to fetch.
WRITING_JOB_TYPES = frozenset({"water.export"})


class Buckets(Construct):
    """``results`` is None unless a job type of the stage writes files."""

    def __init__(self, scope: Stack, stage: Stage) -> None:
        super().__init__(scope, "Buckets")
        wanted = stage.config.buckets
        self.reference = self._bucket("Reference", stage)
        self.results: s3.Bucket | None = None
        if WRITING_JOB_TYPES & set(stage.config.service.job_types):
            self.results = self._bucket("Results", stage, wanted.results_expire_days)

    def _bucket(self, name: str, stage: Stage, expire_days: int | None = None) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=None if expire_days is None else Duration.days(expire_days),
                    noncurrent_version_expiration=Duration.days(
                        stage.config.buckets.noncurrent_expire_days
                    ),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            removal_policy=removal_of(stage.config),
        )
        accept(bucket, "CKV_AWS_18", "object access is recorded by the account's CloudTrail")
        return bucket
