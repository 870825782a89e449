// Package accesslog reads what the proxies on an egress path write about connections: Envoy's access log in every shape that Istio
// gave it from 1.0 to 1.31, as text and as JSON, in formats of one's own, the nginx SNI proxy's log of Istio's documents, and the
// lines of Istio's mixer (up to 1.7). All of them become one Line.
//
// A Parser takes bytes and gives a Line whose fields lie in those bytes; it does no I/O and, once warm, allocates nothing. It
// recognises each line by itself, so that a stream may change its shape and hold other things in between: what is no access log is
// told as such and never guessed at. What stands in a line was in part written by clients (paths, user agents, server names); a
// client cannot move the fields that follow its own.
package accesslog
