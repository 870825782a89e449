package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// answer is what became of the request.
type answer struct {
	tool    string
	status  int
	seconds float64
	failed  string
	local   string // the workload's own address of the connection; empty: the tool does not tell
	agent   string // the user agent, found in no other request
	said    string // on stderr
	ended   time.Time
}

// order is what a program is told.
type order struct {
	Target
	agent string
	limit time.Duration
	port  int  // the first of somePorts from which it is to be sent, where the program can be told
	once  bool // no redirection is to be followed: nothing may be sent to another host
}

// program is one way to send a request from within a container.
type program struct {
	name string
	argv func(o order) []string // nil: it cannot
	read func(a *answer, stdout, stderr string)
}

// programs are tried in this order. Python is told what to do on its command line.
func programs() []program {
	return []program{
		{"curl", curl, readCurl},
		{"wget", wget, readStatusLine},
		{"wget", untimedWget, readStatusLine},
		{"openssl", openssl, readStatusLine},
		{"python3", python, readCurl},
	}
}

// Tools are the programs that can send a request.
func Tools() []string {
	var names []string
	for _, p := range programs() {
		names = append(names, p.name)
	}
	return slices.Compact(names)
}

func seconds(d time.Duration) string { return strconv.Itoa(max(int(d/time.Second), 1)) }

// Ports that kernels do not give out by themselves (from 32768 on by default). Istio redirects every connection to the sidecar's own
// port, so a port that the workload used within the last two minutes, to whatever host, is another when the sidecar sees it: the
// line about the connection then has not the address that the program told.
const (
	firstPort = 16384
	somePorts = 64 // enough to find one that nobody has
)

// anyPort chooses the first of somePorts.
func anyPort() int {
	var b [1]byte
	_, _ = rand.Read(b[:]) // it fails never: without randomness it ends the program
	return firstPort + somePorts*int(b[0])
}

func curl(o order) []string {
	return []string{
		"curl", "-g", "-sS", "--noproxy", "*", "-o", "/dev/null", "--max-time", seconds(o.limit), "-A", o.agent,
		"--local-port", fmt.Sprintf("%d-%d", o.port, o.port+somePorts-1),
		"-w", "%{http_code} %{local_ip} %{local_port} %{time_total}\n", o.full(),
	}
}

// wget follows redirections. GNU's can be told not to; busybox's cannot, and refuses the flag before it sends anything.
func wget(o order) []string {
	return append([]string{"wget", "-T", seconds(o.limit)}, untimedWget(o)[1:]...)
}

// untimedWget is for a busybox that was built without time-outs and dies of being given one, as Debian's.
func untimedWget(o order) []string {
	proxy := []string{"-Y", "off"}
	if o.once {
		proxy = []string{"--no-proxy", "--max-redirect=0"}
	}
	return append([]string{"wget", "-S", "-t", "1", "-O", "/dev/null", "-U", o.agent}, append(proxy, o.full())...)
}

// openssl needs a shell to be told the request. What is the user's own comes as arguments, never as part of the script.
func openssl(o order) []string {
	if !o.encrypted() {
		return nil
	}
	const script = `command -v openssl >/dev/null || exit 127; printf 'GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n' "$1" "$2" "$3" |` +
		` timeout "$6" openssl s_client -quiet -ign_eof -verify_return_error -servername "$4" -connect "$4:$5"`
	return []string{"sh", "-c", script, "probe", o.Path, o.address(), o.agent, string(o.Host), strconv.Itoa(o.Port), seconds(o.limit)}
}

func python(o order) []string {
	const script = `import sys,time,http.client as h
s,n,p,u,a,l,f=sys.argv[1:]
b=time.time()
for q in range(int(f),int(f)+64):
  c=(h.HTTPSConnection if s=="https" else h.HTTPConnection)(n,int(p),timeout=float(l),source_address=("",q))
  try:
    c.connect()
    break
  except OSError as e:
    if e.errno not in(98,99):raise
k=c.sock.getsockname()
c.request("GET",u,headers={"User-Agent":a})
print(c.getresponse().status,k[0],k[1],time.time()-b)`
	return []string{"python3", "-c", script, o.Scheme, string(o.Host), strconv.Itoa(o.Port), o.Path, o.agent, seconds(o.limit), strconv.Itoa(o.port)}
}

// readCurl reads status, address, port and time.
func readCurl(a *answer, stdout, _ string) {
	f := strings.Fields(stdout)
	if len(f) < 3 {
		return
	}
	if n, err := strconv.Atoi(f[0]); err == nil {
		a.status = n
	}
	if port, err := strconv.Atoi(f[len(f)-2]); err == nil && port > 0 && net.ParseIP(f[1]) != nil {
		a.local = net.JoinHostPort(f[1], strconv.Itoa(port))
	}
	if s, err := strconv.ParseFloat(f[len(f)-1], 64); err == nil {
		a.seconds = s
	}
}

var statusLine = regexp.MustCompile(`(?m)^\s*HTTP/\d(?:\.\d)? (\d{3})\b`)

// readStatusLine finds the answer's own first line in what was printed. Others may follow, for wget follows redirections.
func readStatusLine(a *answer, stdout, stderr string) {
	if m := statusLine.FindStringSubmatch(stderr + "\n" + stdout); len(m) > 1 {
		if n, err := strconv.Atoi(m[1]); err == nil {
			a.status = n
		}
	}
}

// NoToolError says that a container has none of the programs that could send the request.
type NoToolError struct{ says string }

// Error says where it was looked for which programs.
func (e *NoToolError) Error() string { return e.says }

// send has the first program that is there send the request.
func send(ctx context.Context, c Client, w *workload, o *Options) (answer, error) {
	ordered := order{Target: o.Target, agent: "kubectl-egress-probe/" + rand.Text(), limit: o.Patience, port: anyPort(), once: o.once}
	var lacks []string
	for _, p := range programs() {
		argv := p.argv(ordered)
		if argv == nil || o.Tool != "" && o.Tool != p.name {
			continue
		}
		a, err := run(ctx, c, w, p, argv, o.Patience)
		if err != nil || a.tool != "" {
			a.agent = ordered.agent
			return a, err
		}
		lacks = append(lacks, p.name)
	}
	lacks = slices.Compact(lacks)
	list := lacks[0]
	if last := len(lacks) - 1; last > 0 {
		list = strings.Join(lacks[:last], ", ") + " or " + lacks[last]
	}
	whose := ""
	if w.Image != "" {
		whose = " (image " + w.Image + ")"
	}
	if o.once && slices.Contains(lacks, "wget") {
		list += " (a wget that can be told not to follow redirections)"
	}
	return answer{}, &NoToolError{fmt.Sprintf("container %s%s of pod %s has no %s that can be used; have an ephemeral container ask with --image, "+
		"for example curlimages/curl:8.16.0, or probe from another workload with --from", w.Container, whose, w, list)}
}

// grace is what a program gets on top of the time that it is told, for those that do not heed it (busybox's wget as some build it).
const grace = 3 * time.Second

// run has one program send the request. An answer without a tool means that the container does not have it.
func run(ctx context.Context, c Client, w *workload, p program, argv []string, limit time.Duration) (answer, error) {
	var stdout, stderr bytes.Buffer
	begin := time.Now()
	limited, stop := context.WithTimeout(ctx, limit+grace)
	defer stop()
	err := c.Exec(limited, w.pod(), argv, &stdout, &stderr)
	a := answer{tool: p.name, ended: time.Now(), said: stderr.String()}
	a.seconds = a.ended.Sub(begin).Seconds()
	exited, ran := errors.AsType[*kube.ExitError](err)
	switch {
	case missing(err), ran && strings.Contains(a.said, "unrecognized option"):
		return answer{}, nil
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		a.failed = fmt.Sprintf("%s had no answer within %s", p.name, limit+grace)
		return a, nil
	case err != nil && !ran:
		return answer{}, refused(w, p.name, err)
	}
	p.read(&a, stdout.String(), a.said)
	if a.status == 0 {
		a.failed = fmt.Sprintf("%s had no answer", p.name)
		if ran {
			a.failed = fmt.Sprintf("%s ended with exit code %d: %s", p.name, exited.Code, lastLine(a.said))
		}
	}
	return a, nil
}

// refused says which right is missing, if that is it.
func refused(w *workload, name string, err error) error {
	if errors.Is(err, kube.ErrForbidden) {
		return lacks(err, fmt.Sprintf("a probe runs %s in the workload's container", name))
	}
	return fmt.Errorf("run %s in container %s of pod %s: %w", name, w.Container, w, err)
}

// crashed is the exit code of what died of SIGSEGV.
const crashed = 128 + 11

// missing says whether a container lacks a program that runs. Container runtimes have their own words.
func missing(err error) bool {
	if err == nil {
		return false
	}
	if exited, ok := errors.AsType[*kube.ExitError](err); ok {
		return exited.Code == 126 || exited.Code == 127 || exited.Code == crashed
	}
	return strings.Contains(err.Error(), "executable file not found") || strings.Contains(err.Error(), "no such file or directory")
}

// lastLine is the last that a program said.
func lastLine(s string) string {
	last := "nothing was said"
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
	}
	return last
}
