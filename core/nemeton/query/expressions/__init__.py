"""Druid's expression language: parsing, and evaluation over blocks of rows."""
