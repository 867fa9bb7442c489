"""The metadata store: Druid's tables on SQLAlchemy, and the managers over them."""
