//! Enrichment: environment and social attributes, as tables made by SQL.
