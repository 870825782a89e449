package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/apply/pki"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// Certificates of the server live a year, as in the document, and are made anew when less than a day is left.
const (
	certValid = 365 * 24 * time.Hour
	certLeft  = 24 * time.Hour
)

// The document's names of the client's files.
const (
	fileClientCert = "client.example.com.crt"
	fileClientKey  = "client.example.com.key"
	fileCA         = "example.com.crt"
)

// server installs the sample that demands client certificates.
func (s *sampleInstall) server(ctx context.Context, client *kube.Client, ref egress.GatewayRef) error {
	done := s.tool.status("looking at the mesh")
	facts, err := discover.Discover(ctx, client)
	done()
	if err != nil {
		return err
	}
	host := install.ServerHost(ref.Namespace, facts.ClusterDomain)
	certs, err := s.certs(ctx, client, ref.Namespace, host)
	if err != nil {
		return err
	}
	files, err := s.clientFiles(certs) // a directory that cannot be used is found out before anything is written to the cluster
	if err != nil {
		return err
	}
	objs := install.MTLSServer{Namespace: ref.Namespace, Image: s.image, Certs: certs}.Objects()
	stands, err := s.put(ctx, client, apply.NewBundle(install.KindSample, ref.Namespace, s.sample, nil, objs))
	if err != nil || !stands {
		return err
	}
	if err := save(files); err != nil {
		return err
	}
	if s.wait {
		_, took, err := s.rolledOut(ctx, client, egress.GatewayRef{Namespace: ref.Namespace, Service: install.ServerName}, 1, "sample "+s.sample)
		if err != nil {
			return err
		}
		s.tool.note("ready (%.1f s): https://%s demands a certificate", took.Seconds(), host)
	}
	s.next(ref, host, facts)
	return nil
}

// next tells the commands that make use of the server.
func (s *sampleInstall) next(ref egress.GatewayRef, host string, facts mesh.Facts) {
	if s.clientDir == "" {
		again := s.tool.name + " sample install " + s.sample + " --client-dir=certs"
		if ref.Namespace != install.DefaultServerNamespace {
			again += " -n " + ref.Namespace
		}
		s.tool.note("To have the client's files for a credential: %s", again)
		return
	}
	at := func(file string) string { return filepath.Join(s.clientDir, file) }
	through := ""
	if len(facts.Gateways) > 1 {
		through = " --gateway=" + facts.Gateways[0].Ref().String()
	}
	s.tool.note("Use it:")
	s.tool.note("  %s credential create client-credential --cert=%s --key=%s --ca=%s%s", s.tool.name, at(fileClientCert), at(fileClientKey), at(fileCA), through)
	s.tool.note("  %s enable --domains=%s --mode=%s --credential=client-credential%s", s.tool.name, host, egress.MTLSOrigination, through)
}

// certs are those that the server on the cluster has, as long as they serve, so that installing it again changes nothing; else new
// ones.
func (s *sampleInstall) certs(ctx context.Context, client *kube.Client, namespace, host string) (install.Certs, error) {
	now := time.Now()
	standing, err := readCerts(ctx, client, namespace)
	switch {
	case err != nil:
		return install.Certs{}, err
	case serve(standing, host, now):
		return standing, nil
	case standing.ServerCert != nil:
		s.tool.note("the certificates that are there do not serve any longer: new ones are made")
	}
	trial, err := pki.Trial([]string{host}, now, now.Add(certValid))
	if err != nil {
		return install.Certs{}, fmt.Errorf("make certificates for %s: %w", host, err)
	}
	return install.Certs{
		CA:         trial.CA.CertPEM,
		ServerCert: trial.Server.CertPEM, ServerKey: trial.Server.KeyPEM,
		ClientCert: trial.Client.CertPEM, ClientKey: trial.Client.KeyPEM,
	}, nil
}

// readCerts reads what the Secrets of a server hold; nothing where they are not there.
func readCerts(ctx context.Context, client *kube.Client, namespace string) (install.Certs, error) {
	data := map[string]map[string][]byte{}
	for _, name := range []string{install.ServerPair, install.ClientPair} {
		var secret struct {
			Data map[string][]byte `json:"data"`
		}
		err := client.Get(ctx, kube.Resource{Version: "v1", Resource: "secrets"}, namespace, name, &secret)
		if err != nil && !absent(err) {
			return install.Certs{}, fmt.Errorf("find out whether certificates are there: %w", err)
		}
		data[name] = secret.Data
	}
	server, c := data[install.ServerPair], data[install.ClientPair]
	return install.Certs{
		CA:         c["ca.crt"],
		ServerCert: server["tls.crt"], ServerKey: server["tls.key"],
		ClientCert: c["tls.crt"], ClientKey: c["tls.key"],
	}, nil
}

// serve says whether certificates can be used for another day, by a server of that name.
func serve(c install.Certs, host string, now time.Time) bool {
	server, err := pki.Read(pki.Credential{Cert: c.ServerCert, Key: c.ServerKey, CA: c.CA}, now.Add(certLeft))
	if err != nil || !slices.Contains(server.SANs, host) {
		return false
	}
	return pki.Check(pki.Credential{Cert: c.ClientCert, Key: c.ClientKey, CA: c.CA}, now.Add(certLeft)) == nil
}

// file is one of the client's files.
type file struct {
	path string
	text []byte
}

// clientFiles are what --client-dir is to hold. Files of the same names that hold something else are somebody's, and refused.
func (s *sampleInstall) clientFiles(c install.Certs) ([]file, error) {
	if s.clientDir == "" || s.dryRun.value != dryNone {
		return nil, nil
	}
	at := func(name string) string { return filepath.Join(s.clientDir, name) }
	files := []file{{at(fileClientCert), c.ClientCert}, {at(fileClientKey), c.ClientKey}, {at(fileCA), c.CA}}
	for _, f := range files {
		was, err := os.ReadFile(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, egress.Inputf("--client-dir: %v", err)
		case !bytes.Equal(was, f.text):
			return nil, egress.Inputf("%s is there and belongs to another server; remove it, or name another --client-dir", f.path)
		}
	}
	if err := os.MkdirAll(s.clientDir, 0o700); err != nil {
		return nil, egress.Inputf("--client-dir: %v", err)
	}
	return files, nil
}

// save writes files that only their owner may read.
func save(files []file) error {
	for _, f := range files {
		if err := os.WriteFile(f.path, f.text, 0o600); err != nil {
			return fmt.Errorf("write the client's files (the server is on the cluster, and its Secret %s has them): %w", install.ClientPair, err)
		}
	}
	return nil
}
