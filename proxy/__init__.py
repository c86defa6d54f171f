"""DPMP: a Stratum v1 proxy that splits hash power between pools."""

VERSION = "4.0.0"
