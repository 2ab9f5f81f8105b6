"""Apache Airflow 3.3 on rails for data-science teams. Importing this package costs nothing."""

__version__ = "0.1.0"
