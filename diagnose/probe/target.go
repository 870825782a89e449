package probe

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Target is what is asked for.
type Target struct {
	Scheme string // https or http
	Host   egress.Host
	Port   int
	Path   string // begins with a slash
}

// schemes and the ports that are theirs.
const (
	https     = "https"
	httpsPort = 443
	httpPort  = 80
)

// ParseTarget reads a host, or a URL of http or https. Port 0 and an empty path mean those of the URL, or the scheme's port and "/";
// a host alone is asked by https, and on port 80 by http. Errors are *egress.InputError.
func ParseTarget(s string, port int, path string) (Target, error) {
	text := s
	if !strings.Contains(s, "://") {
		text = "https://" + s
		if port == httpPort {
			text = "http://" + s
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != https && u.Scheme != "http" || u.User != nil || u.Fragment != "" {
		return Target{}, egress.Inputf("%q is no host and no URL of http or https; write for example https://edition.cnn.com/politics", s)
	}
	h, err := egress.ParseHost(u.Hostname())
	if err != nil {
		return Target{}, err
	}
	if h.IsWildcard() {
		return Target{}, egress.Inputf("%s is many hosts, and a request goes to one of them: name it, for example www.%s", h, h.Domain())
	}
	t := Target{Scheme: u.Scheme, Host: h, Port: port, Path: u.RequestURI()}
	if path != "" {
		t.Path = path
	}
	if strings.ContainsFunc(t.Path, func(r rune) bool { return r <= ' ' || r > '~' }) || !strings.HasPrefix(t.Path, "/") {
		return Target{}, egress.Inputf("path %q: it begins with / and has printable ASCII only; write others as %%XX", t.Path)
	}
	if t.Port == 0 && u.Port() != "" {
		t.Port, err = strconv.Atoi(u.Port())
	} else if t.Port == 0 {
		t.Port = t.usual()
	}
	if err != nil || t.Port < 1 || t.Port > 65535 {
		return Target{}, egress.Inputf("port %d: ports are 1 to 65535", t.Port)
	}
	return t, nil
}

func (t Target) usual() int {
	if t.Scheme == https {
		return httpsPort
	}
	return httpPort
}

// address is what stands between scheme and path.
func (t Target) address() string {
	if t.Port == t.usual() {
		return string(t.Host)
	}
	return net.JoinHostPort(string(t.Host), strconv.Itoa(t.Port))
}

// URL is the target as one string.
func (t Target) URL() string {
	if t.Path == "/" {
		return t.Scheme + "://" + t.address()
	}
	return t.full()
}

func (t Target) full() string { return t.Scheme + "://" + t.address() + t.Path }

// encrypted says whether proxies cannot read the request.
func (t Target) encrypted() bool { return t.Scheme == https }

// CheckTool says what a program cannot do for a target (*egress.InputError); empty means whichever is there.
func CheckTool(tool string, t Target) error {
	if tool == "openssl" && !t.encrypted() {
		return egress.Inputf("--tool=openssl: it speaks TLS only, and %s is asked by HTTP; choose another tool, or ask by https", t.URL())
	}
	return nil
}
