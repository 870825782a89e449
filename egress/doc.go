// Package egress holds the nouns that the writing and the reading side share: what a user declares (Set, Host, Mode,
// GatewayRef), what becomes of it (Route, Path, Hop) and how it is marked on a cluster (the ownership labels).
// It does no I/O and knows no client.
package egress
