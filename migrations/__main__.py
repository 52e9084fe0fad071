"""`make migrate`: migrate the tables, as a start does."""

import database
import logs

logs.configure("text")
database.create_tables()
