package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ownFormat is a format of somebody's own; the words that are missing in it cannot be told.
const ownFormat = "MINE %START_TIME% %REQ(:AUTHORITY)% => %RESPONSE_CODE% %RESPONSE_FLAGS% via %UPSTREAM_CLUSTER_RAW% [%UPSTREAM_HOST%] in %DURATION%ms sent %BYTES_SENT%"

// istioJSON are the keys of Istio's access log where accessLogEncoding is JSON, with the operators behind them.
const istioJSON = `start_time: "%START_TIME%", method: "%REQ(:METHOD)%", path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", protocol: "%PROTOCOL%", response_code: "%RESPONSE_CODE%",
                  response_flags: "%RESPONSE_FLAGS%", response_code_details: "%RESPONSE_CODE_DETAILS%", connection_termination_details: "%CONNECTION_TERMINATION_DETAILS%",
                  bytes_received: "%BYTES_RECEIVED%", bytes_sent: "%BYTES_SENT%", duration: "%DURATION%", upstream_service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
                  x_forwarded_for: "%REQ(X-FORWARDED-FOR)%", user_agent: "%REQ(USER-AGENT)%", request_id: "%REQ(X-REQUEST-ID)%", authority: "%REQ(:AUTHORITY)%",
                  upstream_host: "%UPSTREAM_HOST%", upstream_cluster: "%UPSTREAM_CLUSTER_RAW%", upstream_local_address: "%UPSTREAM_LOCAL_ADDRESS%",
                  downstream_local_address: "%DOWNSTREAM_LOCAL_ADDRESS%", downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%",
                  requested_server_name: "%REQUESTED_SERVER_NAME%", route_name: "%ROUTE_NAME%", upstream_transport_failure_reason: "%UPSTREAM_TRANSPORT_FAILURE_REASON%"`

// logFormats has the gateway write each line in three shapes, Istio's text, Istio's JSON and one of somebody's own, and wants the same
// said of each.
func (c *cluster) logFormats() {
	c.t.Helper()
	const set, host = "e2e-logs", "a.example.com"
	namespace, _ := split(logsGateway)
	c.t.Cleanup(func() { c.run("", c.egress, "cleanup", set, "--yes") })
	c.plugin(0, "enable", "--name="+set, "--gateway="+logsGateway, "--timeout=110s", "--domains="+host, "--mode=http")
	log := func(format string) string {
		return `
          - name: ` + namespace + `
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /dev/stdout
              log_format:
                ` + format
	}
	c.apply(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: e2e-formats, namespace: ` + namespace + `}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
    patch:
      operation: MERGE
      value:
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          access_log:` + log(`json_format: {`+istioJSON+`}`) + log(fmt.Sprintf(`text_format_source: {inline_string: "%s\n"}`, ownFormat)))
	var lines map[string]logLine // of one request, by format
	c.eventually("a line of each shape", 90*time.Second, func() (bool, string) {
		_, nonce := c.request(*clientRef, "http://"+host)
		r := c.plugin(0, "logs", host, "--gateway="+logsGateway, "--since=60s", "-o", "json", "--format="+ownFormat)
		all := decodeLines(c.t, r.stdout)
		lines = map[string]logLine{}
		for _, l := range all {
			if l.Format == "custom" || strings.Contains(l.Path, nonce) {
				lines[l.Format] = l
			}
		}
		return len(lines) == 3, r.String()
	})
	text, encoded, own := lines["istio-1.9"], lines["istio-json-1.9"], lines["custom"]
	text.Format, encoded.Format = "", ""
	if text != encoded || text.Authority != host {
		c.t.Errorf("text says %+v\nJSON says %+v", text, encoded)
	}
	if own.Authority != host || own.Code != text.Code || own.UpstreamCluster != text.UpstreamCluster || own.UpstreamHost != text.UpstreamHost || own.Method != "" {
		c.t.Errorf("text says %+v\nthe own format %+v", text, own)
	}
	raw := c.plugin(0, "logs", host, "--gateway="+logsGateway, "--since=60s", "-o", "raw", "--format="+ownFormat).stdout
	if !slices.ContainsFunc(strings.Split(raw, "\n"), func(l string) bool { return strings.HasPrefix(l, "MINE ") }) {
		c.t.Errorf("the own format is not among the raw lines\n%s", raw)
	}
	if r := c.plugin(0, "logs", "--gateway="+logsGateway, "--since=60s"); !strings.Contains(r.stderr, "no access log") {
		c.t.Errorf("lines of a format that nobody named are left out without a word\n%s", r)
	}
	c.plugin(0, "cleanup", set, "--yes")
}
