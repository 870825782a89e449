// Package e2e holds what only a cluster can show: traffic that takes the gateway, and traffic that does not. It drives the built
// binary from outside, as a user does, and lets a witness outside the mesh decide which way a request went.
//
// The suite runs against any cluster that a kubeconfig names (-kubeconfig or KUBECONFIG) and that holds the documents' world:
// a meshed client and outside servers with an access log of their own, as `lab load` brings them. Flags name them where they
// are called otherwise. Without E2E=1 the tests are skipped, so that `go test ./...` needs no cluster.
package e2e
