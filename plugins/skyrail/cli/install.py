"""`skyrail install`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace; made if it is not there.", metavar="NAMESPACE")
]
ReleaseOption = Annotated[str, typer.Option("--release", help="Name of the Helm release.", metavar="NAME")]
ContextOption = Annotated[
    str, typer.Option(help="Context of kubectl; the current one if not given.", metavar="CONTEXT")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, and go on.")]


def install(
    namespace: NamespaceOption = "skyrail",
    name: ReleaseOption = "skyrail",
    context: ContextOption = "",
    values: Annotated[
        list[Path] | None, typer.Option("--values", "-f", help="Values file; can be repeated.", metavar="FILE")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Where chosen values are written; NAME-values.yaml if not given.", metavar="FILE"),
    ] = None,
    registry: Annotated[
        str | None, typer.Option(help="Where nodes fetch the images, such as registry.example.com/skyrail.")
    ] = None,
    git: Annotated[str | None, typer.Option(help="Address of the git repository with the DAGs.")] = None,
    git_ref: Annotated[str | None, typer.Option(help="Its branch or tag; main if not given.")] = None,
    git_folder: Annotated[str | None, typer.Option(help="Folder of the DAGs in it.")] = None,
    executor: Annotated[
        str | None, typer.Option(help="CeleryExecutor, KubernetesExecutor, or both with a comma.")
    ] = None,
    gpu: Annotated[bool | None, typer.Option("--gpu/--no-gpu", help="Whether steps may ask for GPUs.")] = None,
    database: Annotated[
        str | None,
        typer.Option(help="PostgreSQL of yours: HOST, HOST:PORT, or postgresql://USER@HOST/NAME, which is read, too."),
    ] = None,
    database_secret: Annotated[
        str | None, typer.Option(help="Secret with the password of its user `airflow` under `password`.")
    ] = None,
    mlflow_secret: Annotated[
        str | None, typer.Option(help="Secret with the password of its user `mlflow` under `password`.")
    ] = None,
    mlflow: Annotated[str | None, typer.Option("--mlflow", help="Address of an MLflow server of yours.")] = None,
    airflow_secret: Annotated[
        str | None, typer.Option(help="Secret with keys of yours: fernet-key, api-secret-key, jwt-secret.")
    ] = None,
    broker_secret: Annotated[
        str | None, typer.Option(help="Secret with the address of a Redis of yours under `url`.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="Bucket for results and artifacts, as s3://bucket/folder.")] = None,
    bucket_secret: Annotated[
        str | None, typer.Option(help="Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Address that people use, as airflow.example.com.")] = None,
    ingress: Annotated[str | None, typer.Option(help="How it leads here: ingress or gateway.")] = None,
    tls_secret: Annotated[str | None, typer.Option(help="Secret with the certificate of an Ingress.")] = None,
    keep_data: Annotated[
        bool | None, typer.Option("--keep-data/--no-keep-data", help="Whether uninstalling leaves volumes and secrets.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check, and say what would change; change nothing.")] = False,
    dags: Annotated[
        str | None,
        typer.Option(help="With --check: DAGs that you have, a folder or git address; says what the image lacks."),
    ] = None,
    airflow_config: Annotated[
        Path | None, typer.Option(help="With --check: airflow.cfg of the installation that you have.", metavar="FILE")
    ] = None,
    yes: YesOption = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until all is ready.")] = 900,
    chart: Annotated[
        Path | None, typer.Option(help="Folder of the chart; the one that came with Skyrail if not given.")
    ] = None,
) -> None:
    """Install or upgrade Skyrail on a Kubernetes cluster.

    Everything is checked first, and nothing is changed unless all checks pass: exit code 1 then says why. What was
    chosen by options or questions is written to a short values file. It then waits until all is ready, and says
    meanwhile what is stuck and why; a second run of the same command goes on where the first ended.
    """
    # Here, so that other commands start without them.
    from skyrail.cli.installing import Options, run
    from skyrail.install.values import Answers

    answers = Answers(
        git=git, git_ref=git_ref, git_folder=git_folder, registry=registry, database=database,
        database_secret=database_secret, mlflow_secret=mlflow_secret, mlflow_url=mlflow, airflow_secret=airflow_secret,
        broker_secret=broker_secret, bucket=bucket, bucket_secret=bucket_secret, address=address, ingress=ingress,
        tls_secret=tls_secret, gpu=gpu, executor=executor, keep_data=keep_data,
    )  # fmt: skip
    options = Options(tuple(values or ()), write, dags or git, airflow_config, check, yes, timeout, chart)
    run(namespace, name, context, answers, options)
