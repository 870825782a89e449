// Package install makes the objects of what the documents have people install beside their configuration: an egress gateway
// of one's own, with an SNI proxy where it is wanted, and the samples sleep and mtls-server. It is pure: the same input gives
// the same objects, and nothing is asked of a cluster. Objects carry no marks of ownership; apply.NewBundle sets them.
package install
