package accesslog

import (
	"strings"
	"testing"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, format, line, want string }{
		{
			"words of Envoy", `[%START_TIME%] %REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% -> %RESPONSE_CODE%/%RESPONSE_FLAGS% sni=%REQUESTED_SERVER_NAME% to %UPSTREAM_CLUSTER_RAW% (%UPSTREAM_HOST%) %DURATION%ms` + "\n",
			`[2026-11-21T01:45:28.223Z] GET /a HTTP/2 -> 503/UF,URX sni=- to outbound|443||x.example.com (1.2.3.4:443) 12ms`,
			`{"time":"2026-11-21T01:45:28.223Z","format":"custom","method":"GET","path":"/a","protocol":"HTTP/2","code":503,"flags":["UF","URX"],"meanings":["could not connect to the upstream host","the limit of retries is reached"],"durationMs":12,"upstreamHost":"1.2.3.4:443","upstreamCluster":"outbound|443||x.example.com"}`,
		},
		{
			"lengths, long flags, percent, unknown operators", `%START_TIME% 100%% %REQ(USER-AGENT):20% | %RESPONSE_FLAGS_LONG% | %FILTER_STATE(wasm:x:PLAIN)% | %REQ(:AUTHORITY)%`,
			`2026-11-21T01:45:28Z 100% curl | NoRouteFound,Odd | what | x.example.com`,
			`{"time":"2026-11-21T01:45:28.000Z","format":"custom","flags":["NR","Odd"],"meanings":["no filter chain for this connection","Odd"],"userAgent":"curl","authority":"x.example.com"}`,
		},
		{
			"nginx", `$remote_addr - $remote_user [$time_local]  $status "$request" $body_bytes_sent "$http_referer" ${request_time}`,
			`10.244.0.4 - - [21/Nov/2026:01:50:28 +0000]  200 "GET / HTTP/1.1" 612 "-" 0.015`,
			`{"time":"2026-11-21T01:50:28.000Z","format":"custom","method":"GET","path":"/","protocol":"HTTP/1.1","code":200,"bytesSent":612,"durationMs":15,"downstreamRemote":"10.244.0.4"}`,
		},
		{
			"JSON", `{"ts":"%START_TIME%","status":"%RESPONSE_CODE%","who":"%DOWNSTREAM_REMOTE_ADDRESS%","name":"%REQUESTED_SERVER_NAME%","const":7,"both":"%DURATION% ms"}`,
			`{"status":0,"ts":"2026-11-21T01:45:28.223Z","who":"10.0.0.1:1","name":"x.example.com","both":"4 ms"}`,
			`{"time":"2026-11-21T01:45:28.223Z","format":"custom","code":0,"sni":"x.example.com","downstreamRemote":"10.0.0.1:1"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			template, err := ParseTemplate(c.format)
			if err != nil {
				t.Fatal(err)
			}
			if template.String() != c.format {
				t.Errorf("it says %q of itself", template)
			}
			for _, first := range []bool{false, true} {
				p := Parser{Templates: []*Template{template}, First: first}
				var l Line
				if !p.Parse([]byte("gw-1 istio-proxy "+c.line), &l) || string(l.Pod) != "gw-1" {
					if c.name != "words of Envoy" && c.name != "JSON" {
						continue // stern's words are a value of formats that begin with one
					}
					t.Errorf("with stern's words: pod %q", l.Pod)
				}
				if !p.Parse([]byte(c.line+"\n"), &l) {
					t.Fatalf("not read: %s", c.line)
				}
				if got := shown(&l); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if !p.Parse([]byte(connection), &l) || l.Format != Istio19 && !first {
					t.Errorf("Istio's own is read as %q", l.Format)
				}
			}
		})
	}
}

// TestIstiosFormatAsTemplate: Istio's own format, given as one's own, reads the same as without.
func TestIstiosFormatAsTemplate(t *testing.T) {
	t.Parallel()
	template, err := ParseTemplate(`[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%` + "\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{connection, request} {
		p := Parser{Templates: []*Template{template}, First: true}
		var l Line
		if !p.Parse([]byte(raw), &l) {
			t.Fatalf("not read: %s", raw)
		}
		got := strings.Replace(shown(&l), `"format":"custom"`, `"format":"istio-1.9"`, 1)
		if want := shown(parse(t, raw)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTemplatesRefused(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"":                             "holds nothing that is known",
		"hello":                        "holds nothing that is known",
		"%START_TIME%%DURATION%":       "nothing stands before %DURATION%",
		"%START_TIME":                  "does not end",
		"%REQ(:METHOD% x":              "does not end",
		"${status":                     "does not end",
		`{"a":`:                        "begins as a JSON object",
		`{"a":"%DURATION% ms","b":[]}`: "holds no operator that is known",
	} {
		if _, err := ParseTemplate(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", format, err, want)
		}
	}
}
