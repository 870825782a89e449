package accesslog

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// sample is n bytes of Istio's text as today's proxies write it, with the container runtime's times if stamped: connections and
// requests, one in fifty of them about wanted.example.com.
func sample(n int, stamped bool) []byte {
	const head = "2026-11-21T06:55:38.445953843Z "
	lines := []string{
		`[2026-11-21T01:45:28.223Z] "- - -" 0 - - - "-" 749 1559 4 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:34014 10.244.0.4:8443 10.244.0.10:49240 edition.cnn.com -`,
		`[2026-11-21T01:51:36.970Z] "GET /politics HTTP/2" 301 - via_upstream - "-" 0 169 1 0 "10.244.0.10" "curl/7.88.1" "823ac0f0-46f2-468f-b071-dc0553e5f471" "edition.cnn.com" "10.96.0.83:80" outbound|80||edition.cnn.com 10.244.0.4:43162 10.244.0.4:8080 10.244.0.10:49906 - -`,
		`[2026-11-21T01:46:23.069Z] "- - -" 0 UF,URX - - "delayed_connect_error:_Connection_refused" 0 0 1 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|wanted|istio-egressgateway.istio-system.svc.cluster.local - 10.96.0.83:443 10.244.0.10:50954 en.wikipedia.org -`,
	}
	wanted := `[2026-11-21T01:45:28.223Z] "- - -" 0 - - - "-" 749 1559 4 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||wanted.example.com 10.244.0.4:34014 10.244.0.4:8443 10.244.0.10:49240 wanted.example.com -`
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		if stamped {
			b.WriteString(head)
		}
		if i%50 == 49 {
			b.WriteString(wanted)
		} else {
			b.WriteString(lines[i%len(lines)])
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	for name, stamped := range map[string]bool{"text": false, "stamped": true} {
		b.Run(name, func(b *testing.B) { benchParse(b, sample(1<<20, stamped)) })
	}
	b.Run("json", func(b *testing.B) {
		var p Parser
		var l Line
		var all []byte
		line := []byte(`{"start_time":"2024-09-01T10:00:00.001Z","method":"GET","path":"/politics","protocol":"HTTP/2","response_code":301,"response_flags":"-","response_code_details":"via_upstream","connection_termination_details":null,"upstream_transport_failure_reason":null,"bytes_received":0,"bytes_sent":169,"duration":3,"upstream_service_time":"1","x_forwarded_for":"10.244.0.10","user_agent":"curl/7.88.1","request_id":"823ac0f0-46f2-468f-b071-dc0553e5f471","authority":"edition.cnn.com","upstream_host":"10.96.0.83:443","upstream_cluster":"outbound|443||edition.cnn.com","upstream_local_address":"10.244.0.4:43162","downstream_local_address":"10.244.0.4:8443","downstream_remote_address":"10.244.0.10:49240","requested_server_name":"edition.cnn.com","route_name":null}` + "\n")
		if !p.Parse(line, &l) {
			b.Fatal("the line is not read")
		}
		for len(all) < 1<<20 {
			all = append(all, line...)
		}
		benchParse(b, all)
	})
}

func benchParse(b *testing.B, text []byte) {
	var p Parser
	var l Line
	var s Sieve
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		err := s.Each(text, func(line []byte) error {
			if !p.Parse(line, &l) {
				b.Fatalf("not read: %s", line)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	text := sample(1<<20, true)
	many := []egress.Host{"wanted.example.com"}
	for i := range 31 {
		many = append(many, egress.Host(fmt.Sprintf("www%d.nowhere.example.org", i)))
	}
	for _, hosts := range [][]egress.Host{{"wanted.example.com"}, {"*.example.com"}, {"nowhere.example.org"}, many[:2], many} {
		b.Run(fmt.Sprintf("%s-%d", hosts[0], len(hosts)), func(b *testing.B) {
			f := Filter{Hosts: hosts}
			s := f.Sieve()
			var p Parser
			var l Line
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				err := s.Each(text, func(line []byte) error {
					if !p.Parse(line, &l) || !f.Match(&l) {
						b.Fatalf("not wanted: %s", line)
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
