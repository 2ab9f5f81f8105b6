from airflow.sdk import dag

def this is not Python
