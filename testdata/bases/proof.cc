// What a C++ program needs of an image: the runtime with exceptions, threads, locales, users, names, OpenMP.
#include <clocale>
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <iconv.h>
#include <iostream>
#include <netdb.h>
#include <omp.h>
#include <pwd.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

int main() {
  std::string caught = "nothing";
  std::thread thread([&] {
    try {
      throw std::runtime_error("an exception");
    } catch (const std::exception& error) {
      caught = error.what();
    }
  });
  thread.join();
  std::cout << "caught " << caught << "\n";
  int sum = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(2)
  for (int i = 1; i <= 100; i++) sum += i;
  std::cout << "openmp " << sum << "\n";
  std::cout << "locale " << (setlocale(LC_ALL, "C.UTF-8") != nullptr) << "\n";
  setenv("TZ", "Asia/Tokyo", 1);
  std::time_t zero = 0;
  char text[32];
  std::strftime(text, sizeof text, "%H:%M %Z", std::localtime(&zero));
  std::cout << "zone " << text << "\n";
  passwd* me = getpwuid(getuid());
  std::cout << "user " << (me ? me->pw_name : "unknown") << "\n";
  addrinfo* found = nullptr;
  std::cout << "localhost " << (getaddrinfo("localhost", "https", nullptr, &found) == 0) << "\n";
  std::cout << "iconv " << (iconv_open("UTF-8", "SHIFT_JIS") != (iconv_t)-1) << "\n";
}
