package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	scaleNamespace = "bench-scale"
	scaleGateway   = scaleNamespace + "/egress"
	oneSet         = "1,000 domains in one set"
	manySets       = "100 sets of 10 domains"
)

// scaleWorld is a namespace with a gateway that has no pods.
const scaleWorld = `
{apiVersion: v1, kind: Namespace, metadata: {name: bench-scale}}
---
apiVersion: v1
kind: Service
metadata: {name: egress, namespace: bench-scale}
spec:
  selector: {istio: bench-egress}
  ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
`

// scale measures sets of many domains beside kubectl with the same objects, once, and rewrites docs/benchmarks.md. It leaves nothing
// on the cluster.
func scale(ctx context.Context, binary string) (err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, os.RemoveAll(dir)) }()
	if err := feed(ctx, scaleWorld, "kubectl", "apply", "-f", "-"); err != nil {
		return err
	}
	defer func() {
		// also after an interrupt, which has ended ctx
		err = firstOf(err, feed(context.WithoutCancel(ctx), scaleWorld, "kubectl", "delete", "--ignore-not-found", "-f", "-"))
	}()
	s := scaling{ctx: ctx, binary: binary, dir: dir}
	rows, err := s.one()
	if err != nil {
		return err
	}
	more, err := s.many()
	if err != nil {
		return err
	}
	table := render(append(rows, more...), "")
	fmt.Print(table)
	return replaceBetween("docs/benchmarks.md", "<!-- scale -->", "<!-- /scale -->",
		measured("one run of `go run ./hack/bench -scale`")+"\n"+table)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// scaling carries out one command after the other.
type scaling struct {
	ctx         context.Context
	binary, dir string
}

// set writes a declaration of hosts and gives the file.
func (s scaling) set(name string, first, hosts int) (string, error) {
	domains := make([]string, 0, hosts)
	for i := range hosts {
		domains = append(domains, fmt.Sprintf("h%04d.example.com", first+i))
	}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "kubectl-egress/v1", "kind": "Set", "name": name, "namespace": scaleNamespace, "domains": domains, "mtls": "on", "gateway": scaleGateway,
		"exportTo": []string{"."}, // nothing runs there: what is measured is the writing, not what proxies make of it
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(s.dir, fmt.Sprintf("%s-%d.yaml", name, hosts))
	return file, os.WriteFile(file, raw, 0o600)
}

// objects renders declarations into one file, so that kubectl has the same objects to write.
func (s scaling) objects(name string, sets ...string) (string, error) {
	var all bytes.Buffer
	for _, set := range sets {
		cmd := exec.CommandContext(s.ctx, s.binary, "render", "-f", set, "--gateway-selector=istio=bench-egress") // #nosec G204 -- the binary under measurement
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("render %s: %w", set, err)
		}
		all.WriteString("---\n")
		all.Write(out)
	}
	file := filepath.Join(s.dir, name+"-objects.yaml")
	return file, os.WriteFile(file, all.Bytes(), 0o600)
}

// measure runs the commands of one step, and says how long they took.
func (s scaling) measure(commands ...[]string) (cost, error) {
	c, err := median(s.ctx, commands, 1)
	fmt.Fprintf(os.Stderr, "%s: %s\n", strings.Join(commands[0], " "), ms(c.wall))
	return c, err
}

func (s scaling) enable(file string) []string {
	return []string{s.binary, "enable", "-f", file, "--wait=false"}
}

func apply(file string) []string {
	return []string{"kubectl", "apply", "--server-side", "--field-manager=bench", "-f", file}
}

// one is a set of 1,000: made, made again, changed by one host, and taken away; first all of it by one, then by the other.
func (s scaling) one() ([]row, error) {
	file, err := s.set("big", 0, 1000)
	if err != nil {
		return nil, err
	}
	larger, err := s.set("big", 0, 1001)
	if err != nil {
		return nil, err
	}
	objects, err := s.objects("big", file)
	if err != nil {
		return nil, err
	}
	moreObjects, err := s.objects("larger", larger)
	if err != nil {
		return nil, err
	}
	const ours, theirs = "`enable`", "`kubectl apply --server-side`"
	steps := []struct {
		job, ours, theirs string
		a, b              []string
	}{
		{oneSet, ours, theirs, s.enable(file), apply(objects)},
		{"the same again", ours, theirs, s.enable(file), apply(objects)},
		{"one domain more", ours, theirs, s.enable(larger), apply(moreObjects)},
		{
			"taken away", "`cleanup`", "`kubectl delete --wait=false`",
			[]string{s.binary, "cleanup", "big", "-n", scaleNamespace, "--yes", "--wait=false"},
			[]string{"kubectl", "delete", "-f", moreObjects, "--wait=false"},
		},
	}
	rows := make([]row, len(steps))
	for i, step := range steps {
		rows[i] = row{job: step.job, ours: step.ours, theirs: step.theirs}
		if rows[i].oursC, err = s.measure(step.a); err != nil {
			return nil, err
		}
	}
	for i, step := range steps {
		if rows[i].byHand, err = s.measure(step.b); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// many is 100 sets of 10, each by a command of its own.
func (s scaling) many() ([]row, error) {
	const sets, hosts = 100, 10
	var files []string
	var enables, applies [][]string
	for i := range sets {
		file, err := s.set(fmt.Sprintf("set-%02d", i), i*hosts, hosts)
		if err != nil {
			return nil, err
		}
		objects, err := s.objects(fmt.Sprintf("set-%02d", i), file)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		enables = append(enables, s.enable(file))
		applies = append(applies, apply(objects))
	}
	objects, err := s.objects("sets", files...)
	if err != nil {
		return nil, err
	}
	rows := []row{
		{job: manySets, ours: "100 times `enable`", theirs: "100 times `kubectl apply --server-side`"},
		{job: "taken away", ours: "`cleanup --all`", theirs: "`kubectl delete --wait=false`"},
	}
	if rows[0].oursC, err = s.measure(enables...); err != nil {
		return nil, err
	}
	if rows[1].oursC, err = s.measure([]string{s.binary, "cleanup", "--all", "-n", scaleNamespace, "--yes", "--wait=false"}); err != nil {
		return nil, err
	}
	if rows[0].byHand, err = s.measure(applies...); err != nil {
		return nil, err
	}
	rows[1].byHand, err = s.measure([]string{"kubectl", "delete", "-f", objects, "--wait=false"})
	return rows, err
}

// feed runs a command with standard input.
func feed(ctx context.Context, stdin string, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) // #nosec G204 -- the commands are listed in this file
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return nil
}
