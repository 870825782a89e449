package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"regexp"
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
	ended   time.Time
}

// program is one way to send a request from within a container.
type program struct {
	name string
	argv func(t Target, agent string, limit time.Duration) []string
	read func(a *answer, stdout, stderr string)
}

// programs are tried in this order. Python is told what to do on its command line.
func programs() []program {
	return []program{
		{"curl", curl, readCurl},
		{"wget", wget, readStatusLine},
		{"openssl", openssl, readStatusLine},
		{"python3", python, readCurl},
	}
}

func seconds(d time.Duration) string { return strconv.Itoa(max(int(d/time.Second), 1)) }

func curl(t Target, agent string, limit time.Duration) []string {
	return []string{
		"curl", "-g", "-sS", "--noproxy", "*", "-o", "/dev/null", "--max-time", seconds(limit), "-A", agent,
		"-w", "%{http_code} %{local_ip} %{local_port} %{time_total}\n", t.full(),
	}
}

func wget(t Target, agent string, limit time.Duration) []string {
	return []string{"wget", "-S", "-Y", "off", "-O", "/dev/null", "-T", seconds(limit), "-U", agent, t.full()}
}

// openssl needs a shell to be told the request. What is the user's own comes as arguments, never as part of the script.
func openssl(t Target, agent string, limit time.Duration) []string {
	if !t.encrypted() {
		return nil
	}
	const script = `command -v openssl >/dev/null || exit 127; printf 'GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n' "$1" "$2" "$3" |` +
		` timeout "$6" openssl s_client -quiet -ign_eof -verify_return_error -servername "$4" -connect "$4:$5"`
	return []string{"sh", "-c", script, "probe", t.Path, t.address(), agent, string(t.Host), strconv.Itoa(t.Port), seconds(limit)}
}

func python(t Target, agent string, limit time.Duration) []string {
	const script = `import sys,time,http.client as h
s,n,p,u,a,l=sys.argv[1:]
b=time.time()
c=(h.HTTPSConnection if s=="https" else h.HTTPConnection)(n,int(p),timeout=float(l))
c.connect()
k=c.sock.getsockname()
c.request("GET",u,headers={"User-Agent":a})
print(c.getresponse().status,k[0],k[1],time.time()-b)`
	return []string{"python3", "-c", script, t.Scheme, string(t.Host), strconv.Itoa(t.Port), t.Path, agent, seconds(limit)}
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

// send has the first program that is there send the request.
func send(ctx context.Context, c Client, w workload, t Target, limit time.Duration) (answer, error) {
	pod := kube.Pod{Namespace: w.Namespace, Name: w.Name, Container: w.Container}
	agent := "kubectl-egress-probe/" + rand.Text()
	for _, p := range programs() {
		argv := p.argv(t, agent, limit)
		if argv == nil {
			continue
		}
		a := answer{tool: p.name, agent: agent}
		var stdout, stderr bytes.Buffer
		begin := time.Now()
		err := c.Exec(ctx, pod, argv, &stdout, &stderr)
		a.ended = time.Now()
		a.seconds = a.ended.Sub(begin).Seconds()
		exited, ran := errors.AsType[*kube.ExitError](err)
		switch {
		case missing(err):
			continue
		case err != nil && !ran:
			return answer{}, refused(pod, p.name, err)
		}
		p.read(&a, stdout.String(), stderr.String())
		if a.status == 0 {
			a.failed = fmt.Sprintf("%s had no answer", p.name)
			if ran {
				a.failed = fmt.Sprintf("%s ended with exit code %d: %s", p.name, exited.Code, lastLine(stderr.String()))
			}
		}
		return a, nil
	}
	return answer{}, fmt.Errorf("container %s of pod %s/%s has no curl, wget, openssl or python3; probe from another workload with --from, for example that of 'sample install sleep'",
		w.Container, w.Namespace, w.Name)
}

// refused says which right is missing, if that is it.
func refused(pod kube.Pod, name string, err error) error {
	if failed, ok := errors.AsType[*kube.Error](err); ok && errors.Is(err, kube.ErrForbidden) {
		return fmt.Errorf("a probe runs %s in the workload's container, and the right to %s is missing: %w", name, failed.Right(), err)
	}
	return fmt.Errorf("run %s in container %s of pod %s/%s: %w", name, pod.Container, pod.Namespace, pod.Name, err)
}

// missing says whether a container lacks a program. Container runtimes have their own words.
func missing(err error) bool {
	if err == nil {
		return false
	}
	if exited, ok := errors.AsType[*kube.ExitError](err); ok {
		return exited.Code == 126 || exited.Code == 127
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
