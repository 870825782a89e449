package discover

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documentConf is the configuration of the documents' SNI proxy (spec of Istio 1.2 to 1.13), as the ConfigMap holds it.
const documentConf = `user www-data;
events {
}
stream {
  log_format log_stream '$remote_addr [$time_local] $protocol [$ssl_preread_server_name]'
  '$status $bytes_sent $bytes_received $session_time';
  access_log /var/log/nginx/access.log log_stream;
  error_log  /var/log/nginx/error.log;
  # tcp forward proxy by SNI
  server {
    resolver 8.8.8.8 ipv6=off;
    listen       127.0.0.1:8443;
    proxy_pass       $ssl_preread_server_name:443;
    ssl_preread      on;
  }
}
`

func TestPrereadPort(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config string
		want   int
	}{
		"the documents'":                 {documentConf, 8443},
		"all addresses":                  {`stream{server{listen 18443;ssl_preread on;}}`, 18443},
		"any IPv4":                       {`stream { server { listen 0.0.0.0:18443 reuseport; ssl_preread on; } }`, 18443},
		"by name":                        {`stream { server { listen localhost:18443; ssl_preread on; } }`, 18443},
		"star":                           {`stream { server { listen *:18443; ssl_preread on; } }`, 18443},
		"inherited":                      {`stream { ssl_preread on; server { listen 18443; } }`, 18443},
		"inherited and taken back":       {`stream { ssl_preread on; server { listen 18443; ssl_preread off; } server { listen 18444; } }`, 18444},
		"the other server":               {`http { server { listen 8080; } } stream { server { listen 53; } server { listen 127.0.0.1:18443; ssl_preread on; } }`, 18443},
		"the first that is reached":      {`stream { server { listen [::1]:1; listen 10.0.0.1:2; listen unix:/s; listen 127.0.0.1:3; ssl_preread on; } }`, 3},
		"quoted, with variables":         {`stream { map "a;b{" $x { default "${y}z"; } server { listen "18443"; ssl_preread 'on'; } }`, 18443},
		"commented out":                  {"stream { server { listen 18443; # ssl_preread on;\n } }", 0},
		"no stream":                      {`http { server { listen 18443; ssl_preread on; } }`, 0},
		"not a port":                     {`stream { server { listen 127.0.0.1:sni; ssl_preread on; } }`, 0},
		"too large":                      {`stream { server { listen 127.0.0.1:65536; ssl_preread on; } }`, 0},
		"address only":                   {`stream { server { listen 127.0.0.1; ssl_preread on; } }`, 0},
		"listen without address":         {`stream { server { listen; ssl_preread on; } }`, 0},
		"cut off":                        {`stream { server { listen 18443; ssl_preread on`, 0},
		"more ends than beginnings":      {`} } stream { server { listen 18443; ssl_preread on; } }`, 0},
		"words before a block's end":     {`stream { server { listen 18443; ssl_preread on; junk } }`, 18443},
		"empty":                          {``, 0},
		"only a comment, no end of line": {`# stream`, 0},
	} {
		if got := prereadPort(test.config); got != test.want {
			t.Errorf("%s: port %d, want %d", name, got, test.want)
		}
	}
}

func TestNginxWords(t *testing.T) {
	t.Parallel()
	for config, want := range map[string][]word{
		`listen 1;`:      {{"listen", false}, {"1", false}, {";", true}},
		`a{b;}`:          {{"a", false}, {"{", true}, {"b", false}, {";", true}, {"}", true}},
		`"a b" 'c\'d' e`: {{"a b", false}, {"c'd", false}, {"e", false}},
		`${a}:443;`:      {{"${a}:443", false}, {";", true}},
		`a#b # c`:        {{"a#b", false}},
		`""`:             {{"", false}},
		`"open`:          {{"open", false}},
		"a\\ b\tc":       {{"a b", false}, {"c", false}},
		`\`:              {{`\`, false}},
	} {
		if diff := cmp.Diff(want, nginxWords(config), cmp.AllowUnexported(word{})); diff != "" {
			t.Errorf("%s: %s", config, diff)
		}
	}
}

// TestDeepBlocks: a configuration of nothing but braces must not use up the stack.
func TestDeepBlocks(t *testing.T) {
	t.Parallel()
	if got := prereadPort(strings.Repeat("a {", 1_000_000)); got != 0 {
		t.Errorf("port %d", got)
	}
}

func FuzzPrereadPort(f *testing.F) {
	f.Add(documentConf)
	f.Add(`stream{ssl_preread on;server{listen "18443"`)
	f.Add("a {}} \\ '")
	f.Fuzz(func(t *testing.T, config string) {
		port := prereadPort(config)
		if port < 0 || port > 65535 {
			t.Errorf("port %d", port)
		}
		if port != 0 && !strings.Contains(config, "stream") && !strings.Contains(config, `\`) {
			t.Errorf("port %d without a stream", port)
		}
	})
}
