"""PostgreSQL: the only place that writes a query. Tables in tables/; every other module is one concern's queries."""
