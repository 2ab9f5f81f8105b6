"""What there is already: a database of Airflow, an MLflow server, a folder of DAGs. Reading only."""
