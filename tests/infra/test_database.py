"""PostGIS: made by the stage, or there already."""

from __future__ import annotations

from tests.fakes.templates import Templates
from tests.fakes.worker_task import variables


def test_the_stages_database_is_encrypted_private_and_backed_up(prod: Templates) -> None:
    instance = prod.only("RDS::DBInstance")

    assert instance["Engine"] == "postgres"
    assert instance["StorageEncrypted"] is True
    assert instance["PubliclyAccessible"] is False
    assert instance["MultiAZ"] is True
    assert instance["BackupRetentionPeriod"] == 35
    assert instance["DeletionProtection"] is True
    assert instance["EnableIAMDatabaseAuthentication"] is True
    group = prod.only("RDS::DBParameterGroup")
    assert group["Parameters"] == {"rds.force_ssl": "1"}
    assert isinstance(instance.attributes, dict)
    assert instance.attributes["DeletionPolicy"] == "Snapshot"


def test_only_the_worker_reaches_the_database(dev: Templates) -> None:
    (ingress,) = dev.every("EC2::SecurityGroupIngress")
    (worker,) = [
        one
        for one in dev.every("EC2::SecurityGroup")
        if str(one["GroupDescription"]).startswith("The worker")
    ]

    assert ingress["SourceSecurityGroupId"] == worker.attribute("GroupId")
    instance = dev.only("RDS::DBInstance")
    assert ingress["ToPort"] == instance.attribute("Endpoint.Port")


def test_the_worker_signs_in_with_a_token_and_knows_no_password(dev: Templates) -> None:
    told = variables(dev)

    assert told["DB_IAM_AUTHENTICATION"] == "true"
    assert told["DB_USER"] == "nrf_worker"
    assert told["DB_HOST"] == dev.only("RDS::DBInstance").attribute("Endpoint.Address")


def test_an_existing_database_is_reached_through_its_security_group(private: Templates) -> None:
    (ingress,) = private.every("EC2::SecurityGroupIngress")

    assert private.every("RDS::DBInstance") == []
    assert ingress["GroupId"] == "sg-0a1b2c3d4e5f60718"
    assert (ingress["FromPort"], ingress["ToPort"]) == (5432, 5432)
    assert "DB_IAM_AUTHENTICATION" not in variables(private)
