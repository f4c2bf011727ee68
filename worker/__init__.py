"""NRF impact assessment worker: an SQS daemon for geospatial impact assessments."""
