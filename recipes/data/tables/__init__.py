"""Reader of tables: files, data frames and dicts of columns."""
