// Package counter reads what proxies count and says what became of a destination's traffic: connections opened, active and failed,
// requests, TLS verification failures, DNS failures, bytes. It has types and parsers and no client.
//
// There are three sources, asked in this order: Envoy's own statistics (/stats), of which Istio's proxies keep few unless told to; the
// counters of a cluster's hosts (/clusters), which Envoy always keeps and loses when the hosts change; and Istio's metrics (istio_*).
// What no source tells is not recorded, which is something else than 0.
package counter
