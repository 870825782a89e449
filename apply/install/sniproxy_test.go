package install

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func TestParseResolver(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"10.96.0.10": "10.96.0.10", "10.96.0.10:53": "10.96.0.10", "10.96.0.10:5353": "10.96.0.10:5353",
		"fd00::a": "[fd00::a]", "[fd00::a]": "[fd00::a]", "[fd00::a]:5353": "[fd00::a]:5353",
	} {
		got, err := ParseResolver(given)
		if err != nil || (Resolver{Address: got}).String() != want {
			t.Errorf("%s: %v, %v, want %s", given, got, err, want)
		}
	}
	for _, given := range []string{"", "dns", "kube-dns.kube-system:53", "10.96.0.10:0", "10.96.0.10:x", "10.96.0", "fe80::1%eth0", "[fe80::1%eth0]:53", "10.0.0.1;evil"} {
		_, err := ParseResolver(given)
		if _, ok := errors.AsType[*egress.InputError](err); !ok {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func FuzzParseResolver(f *testing.F) {
	f.Add("10.96.0.10:53")
	f.Add("[fd00::a]:53")
	f.Fuzz(func(t *testing.T, given string) {
		got, err := ParseResolver(given)
		if err != nil {
			return
		}
		// Whatever is taken goes into nginx's configuration as it is: nothing in it may end the directive.
		text := Resolver{Address: got}.String()
		if strings.Trim(text, "0123456789abcdef.:[]") != "" {
			t.Errorf("%q gives %q", given, text)
		}
		if again, err := ParseResolver(text); err != nil || again != got {
			t.Errorf("%q gives %q, which is read as %v, %v", given, text, again, err)
		}
	})
}

// documentFormat is the log format of the documents, in nginx's own words: readers of the log rely on it.
const documentFormat = `  log_format log_stream '$remote_addr [$time_local] $protocol [$ssl_preread_server_name]'
  '$status $bytes_sent $bytes_received $session_time';
`

func TestConfig(t *testing.T) {
	t.Parallel()
	plain := proxy().Config()
	for _, want := range []string{
		documentFormat, "access_log /dev/stdout log_stream;", "error_log /dev/stderr;", "pid /tmp/nginx.pid;", "ssl_preread on;",
		"listen 127.0.0.1:18443;", "resolver 10.96.0.10 ipv6=off;", "proxy_pass $ssl_preread_server_name:443;",
		"include /usr/share/nginx/modules-available/mod-stream.con[f];",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
	for _, not := range []string{"\nuser ", "load_module", "map "} {
		if strings.Contains(plain, not) {
			t.Errorf("%q in\n%s", not, plain)
		}
	}
	if strings.Count(plain, "{") != strings.Count(plain, "}") {
		t.Errorf("braces do not match:\n%s", plain)
	}

	both := *proxy()
	both.Resolver = Resolver{Address: netip.MustParseAddrPort("[fd00::a]:5353")}
	both.Port = 19443
	both.Domains = []egress.Host{"*.wikipedia.org", "edition.cnn.com"}
	text := both.Config()
	for _, want := range []string{
		"resolver [fd00::a]:5353;", "listen 127.0.0.1:19443;", "proxy_pass $forwarded:443;", documentFormat, `default "";`,
		"    *.wikipedia.org $ssl_preread_server_name;\n", "    edition.cnn.com $ssl_preread_server_name;\n", "hostnames;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestProxyInPod: discovery reads the port where the container declares it, and nginx finds what it needs.
func TestProxyInPod(t *testing.T) {
	t.Parallel()
	objs := full().Objects()
	c := containers(t, objs)[1]
	if c["name"] != "sni-proxy" || c["image"] != "example.com/nginx:1.29" {
		t.Errorf("container %v of image %v", c["name"], c["image"])
	}
	if port := c["ports"].(list)[0].(fields)["containerPort"]; port != int64(19443) {
		t.Errorf("port %v", port)
	}
	mounted := map[any]bool{}
	for _, m := range c["volumeMounts"].(list) {
		mounted[m.(fields)["name"]] = true
	}
	for _, v := range at(find(t, objs, "Deployment"), "spec", "template", "spec", "volumes").(list) {
		if !mounted[v.(fields)["name"]] {
			t.Errorf("volume %v is mounted by nobody", v)
		}
		delete(mounted, v.(fields)["name"])
		if name := at(v, "configMap", "name"); name != nil && name != at(find(t, objs, "ConfigMap"), "metadata", "name") {
			t.Errorf("volume of ConfigMap %v, which is not there", name)
		}
	}
	if len(mounted) > 0 {
		t.Errorf("mounted and not there: %v", mounted)
	}
	if got := at(find(t, objs, "ConfigMap"), "data", "nginx.conf"); got != full().SNIProxy.Config() {
		t.Errorf("another configuration: %v", got)
	}
	if got := containers(t, Gateway{Ref: DefaultGateway(), SNIProxy: proxy()}.Objects())[1]["image"]; got != DefaultSNIProxyImage {
		t.Errorf("image %v", got)
	}
}
