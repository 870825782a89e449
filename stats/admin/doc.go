// Package admin reads what Envoy's admin interface says: its configuration, its hosts with their counters, and its
// certificates. It has types and parsers and no client; where the text comes from is none of its business.
//
// The text is proto3 JSON with snake_case names, zero values left out and 64-bit numbers as strings. Only what egress depends
// on is kept, so that a dump of tens of megabytes becomes a small value that can be saved. Private keys and certificate
// bodies are never kept.
package admin
