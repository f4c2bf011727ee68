"""What the worker runs on in AWS, as a CDK app; see docs/deploy.md."""
